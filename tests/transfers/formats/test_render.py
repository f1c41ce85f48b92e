"""Greys, colours, overlays, places and pages, each step for itself."""

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from transfers.formats.pixels import Decoded, Shape
from transfers.formats.render import colour, geometry, grayscale, overlays, pages, presentation
from transfers.formats.render.geometry import OutOfBounds, Region, Viewport
from transfers.formats.render.grayscale import Grays, Window
from transfers.formats.render.presentation import Subject

SHAPE = Shape("1.2.840.10008.1.2.1", 4, 4, 1, 16, 12, 11, False, "MONOCHROME2", 0)


def table(values: list[int], *, first: int, bits: int) -> Sequence:
    item = Dataset()
    item.add_new(0x00283002, "SS" if first < 0 else "US", [len(values), first, bits])
    item.LUTData = values
    return Sequence([item])


def shades(ds: Dataset, values: list[int], *, is_signed: bool = False) -> list[int]:
    grays = grayscale.grays_of(ds, frame=1, is_signed=is_signed)
    return grayscale.to_display(np.array(values, "<i2" if is_signed else "<u2"), grays).tolist()  # type: ignore[no-any-return]


def test_values_without_a_window_are_spread() -> None:
    assert shades(Dataset(), [100, 150, 200]) == [0, 128, 255]


def test_picture_of_one_value_is_black() -> None:
    assert shades(Dataset(), [7, 7]) == [0, 0]


def test_extremes_of_signed_words_do_not_run_over() -> None:
    assert shades(Dataset(), [-32768, 0, 32767], is_signed=True) == [0, 128, 255]


def test_rescale_comes_before_the_window() -> None:
    ds = Dataset()
    ds.RescaleSlope, ds.RescaleIntercept, ds.WindowCenter, ds.WindowWidth = 2, -100, [0, 5], [101, 9]
    assert shades(ds, [0, 25, 50, 75, 100]) == [0, 1, 129, 255, 255]


def test_modality_lut_takes_the_place_of_rescale() -> None:
    ds = Dataset()
    ds.ModalityLUTSequence = table([0, 100, 50], first=10, bits=8)
    assert shades(ds, [9, 10, 11, 12, 13]) == [0, 0, 255, 128, 128]


def test_voi_lut_serves_where_no_window_does() -> None:
    ds = Dataset()
    ds.VOILUTSequence = table([0, 4095, 2048], first=0, bits=12)
    assert shades(ds, [0, 1, 2, 9]) == [0, 255, 128, 128]


def test_window_of_a_frame_comes_before_that_of_the_image() -> None:
    ds, frames = Dataset(), []
    for center in (10, 100):
        frame, voi = Dataset(), Dataset()
        voi.WindowCenter, voi.WindowWidth = center, 2
        frame.FrameVOILUTSequence = Sequence([voi])
        frames.append(frame)
    ds.PerFrameFunctionalGroupsSequence = Sequence(frames)
    grays = [grayscale.grays_of(ds, frame=number, is_signed=False).window for number in (1, 2)]
    assert grays == [Window(10, 2), Window(100, 2)]


@pytest.mark.parametrize("width", ["0", "-5", "nan", ""])
def test_window_that_cannot_be_is_passed_over(width: str) -> None:
    ds = Dataset()
    ds.add_new(0x00281050, "LO", "50")
    ds.add_new(0x00281051, "LO", width)
    assert grayscale.window_of(ds) is None


def test_numbers_of_great_range_need_no_table() -> None:
    found = grayscale.to_display(np.array([0, 1 << 31, (1 << 32) - 1], np.uint32), Grays())
    assert found.tolist() == [0, 128, 255]


def test_palette_of_16_bits_becomes_octets() -> None:
    ds = Dataset()
    for name, values in (("Red", [0, 65535]), ("Green", [0, 256]), ("Blue", [512, 0])):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [2, 0, 16])
        setattr(ds, f"{name}PaletteColorLookupTableData", np.array(values, "<u2").tobytes())
    decoded = Decoded(np.array([[0, 1]], np.uint8), "PALETTE COLOR")
    assert colour.to_rgb(decoded, SHAPE, ds).tolist() == [[[0, 0, 2], [255, 1, 0]]]


def overlay(**values: object) -> Dataset:
    ds = Dataset()
    elements = {0x0010: ("US", 2), 0x0011: ("US", 2), 0x0050: ("SS", [1, 1]), 0x0100: ("US", 1), 0x0102: ("US", 0)}
    for element, (vr, value) in elements.items():
        ds.add_new((0x6000, element), vr, values.get(f"e{element:04x}", value))
    ds.add_new((0x6000, 0x3000), "OB", b"\x0b\0")
    return ds


def masks(ds: Dataset, *, frame: int = 1) -> list[list[list[bool]]]:
    return [mask.tolist() for mask in overlays.masks(ds, frame=frame, shape=SHAPE)]


def test_overlay_lies_where_its_origin_says() -> None:
    (mask,) = masks(overlay(e0050=[2, 3]))
    assert [(row, column) for row in range(4) for column in range(4) if mask[row][column]] == [(1, 2), (1, 3), (2, 3)]


@pytest.mark.parametrize("origin", [[0, 0], [4, 4], [-30000, 1], [30000, 30000]])
def test_overlay_that_reaches_beyond_is_cut(origin: list[int]) -> None:
    (mask,) = masks(overlay(e0050=origin))
    assert sum(map(sum, mask)) <= 1


def test_overlay_that_is_too_short_is_passed_over() -> None:
    assert masks(overlay(e0010=100)) == []


def test_viewport_keeps_proportions_and_cuts_a_region() -> None:
    where = geometry.placement((40, 20), Viewport(100, 100))
    assert where.size == (100, 50)
    assert geometry.placement((40, 20), Viewport(10, 10, 30, 0, 50, 10)).box == (30, 0, 40, 10)


def test_region_in_fractions_holds_at_least_a_pixel() -> None:
    assert Region(0.25, 0.0, 0.75, 0.5).box((40, 20)) == (10, 0, 30, 10)
    assert Region(0.0, 0.999, 0.001, 1.0).box((40, 20)) == (0, 19, 1, 20)
    where = geometry.placed_region((40, 20), Region(0.5, 0.0, 1.0, 1.0), Viewport(100, 100))
    assert (where.box, where.size) == ((20, 0, 40, 20), (100, 100))


@pytest.mark.parametrize("viewport", [Viewport(10, 10, 40, 0, 5, 5), Viewport(10, 10, 0, 0, 0.2, 5)])
def test_region_without_a_pixel_is_out_of_bounds(viewport: Viewport) -> None:
    with pytest.raises(OutOfBounds):
        geometry.placement((40, 20), viewport)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("is_flipped", [False, True])
def test_points_go_where_their_pixels_go(rotation: int, is_flipped: bool) -> None:
    picture = np.zeros((6, 4), np.uint8)
    picture[1, 2] = 255
    where = geometry.placed((0, 0, 4, 6), None, rotation=rotation, is_flipped=is_flipped)
    x, y = where.point(2.5, 1.5)
    assert np.asarray(where.apply(Image.fromarray(picture)))[int(y), int(x)] == 255


def test_shutters_leave_open_what_all_of_them_do() -> None:
    state = Dataset()
    state.ShutterShape = ["RECTANGULAR", "CIRCULAR"]
    state.ShutterLeftVerticalEdge, state.ShutterRightVerticalEdge = 2, 9
    state.ShutterUpperHorizontalEdge, state.ShutterLowerHorizontalEdge = 2, 9
    state.CenterOfCircularShutter, state.RadiusOfCircularShutter = [5, 5], 2
    left = presentation.shutter(state, (12, 12))
    assert left is not None
    assert bool(left[4, 4]) and not left[0, 0] and not left[8, 8]


def test_window_for_another_image_is_not_taken() -> None:
    state, voi, reference = Dataset(), Dataset(), Dataset()
    reference.ReferencedSOPInstanceUID = "1.2.3"
    voi.WindowCenter, voi.WindowWidth, voi.ReferencedImageSequence = 1, 2, Sequence([reference])
    state.SoftcopyVOILUTSequence = Sequence([voi])
    found = [
        presentation.grays(state, Grays(), subject=Subject(uid, 1, (4, 4)), is_signed=False).window
        for uid in ("1.2.3", "1.2.4")
    ]
    assert found == [Window(1, 2), None]


def item(kind: str, name: str, **elements: object) -> dict[str, object]:
    code = {"00080104": {"vr": "LO", "Value": [name]}}
    return {
        "0040A040": {"vr": "CS", "Value": [kind]},
        "0040A043": {"vr": "SQ", "Value": [code]},
        **{f"{tag[1:]}": value for tag, value in elements.items()},
    }


def test_tree_is_read_in_order_and_depth() -> None:
    text = item("TEXT", "b", t0040A160={"vr": "UT", "Value": ["words"]})
    inner = item("CONTAINER", "a", t0040A730={"vr": "SQ", "Value": [text, item("CONTAINER", "c")]})
    root = {"0040A730": {"vr": "SQ", "Value": [inner, item("CONTAINER", "d")]}}
    found = [(line.depth, line.name, line.value) for line in pages.content(root)]
    assert found == [(0, "a", ""), (1, "b", "words"), (1, "c", ""), (0, "d", "")]


@pytest.mark.parametrize("evil", ["<script>x</script>", '"><img src=x onerror=y>', "&#60;b&#62;", "a\r\n<b>"])
def test_nothing_a_sender_writes_becomes_markup(evil: str) -> None:
    said = {"vr": "UT", "Value": [evil]}
    record = {
        "00420010": said,
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": evil}]},
        "0040A730": {"vr": "SQ", "Value": [item("TEXT", evil, t0040A160=said)]},
    }
    page = pages.as_html(record, document=evil)
    assert "<script" not in page and "<img" not in page and "&#60;" not in page


@pytest.mark.parametrize("record", [{}, {"0040A730": None}, {"0040A730": {"Value": [None, 3, "x", []]}}, []])
def test_record_of_another_form_is_a_page_all_the_same(record: object) -> None:
    assert pages.as_text(record).startswith("DICOM object")
