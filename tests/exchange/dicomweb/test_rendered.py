"""Pictures and pages over WADO-RS: which, how wanted, for whom."""

import io
import json

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests import factories
from tests.exchange.dicomweb.conftest import Sent, Site
from tests.exchange.dicomweb.pictures import RAMP, picture, ramp, report, send, shipped, state_for
from transfers.models import PullRecord


def test_picture_is_a_jpeg_by_default(alice: Site, bob: Site) -> None:
    (path,) = send(alice, bob, ramp())
    reply = bob.get(f"{path}/rendered")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "image/jpeg")
    assert np.abs(picture(reply.body) - RAMP).max() <= 3


def test_png_holds_the_very_greys(alice: Site, bob: Site) -> None:
    (path,) = send(alice, bob, ramp())
    assert np.abs(picture(bob.get(f"{path}/rendered", accept="image/png").body) - RAMP).max() <= 1


def test_light_on_dark_is_turned_round(alice: Site, bob: Site) -> None:
    (path,) = send(alice, bob, ramp(PhotometricInterpretation="MONOCHROME1"))
    assert np.abs(picture(bob.get(f"{path}/rendered", accept="image/png").body) - (255 - RAMP)).max() <= 1


@pytest.mark.parametrize(
    ("window", "value", "grey"),
    [
        ("100,50,linear", 99, 124),
        ("100,50,linear-exact", 100, 128),
        ("100,50,linear", 200, 255),
        ("100,50,sigmoid", 100, 128),
        ("100,50,sigmoid", 150, 250),
    ],
)
def test_window_of_the_request_comes_first(alice: Site, bob: Site, window: str, value: int, grey: int) -> None:
    (path,) = send(alice, bob, ramp())
    shown = picture(bob.get(f"{path}/rendered?window={window}", accept="image/png").body)
    assert abs(int(shown.ravel()[value]) - grey) <= 2


def test_region_is_cut_flipped_and_scaled(alice: Site, bob: Site) -> None:
    (path,) = send(alice, bob, ramp())
    shown = picture(bob.get(f"{path}/rendered?viewport=4,4,8,8,-4,4", accept="image/png").body)
    assert np.abs(shown - RAMP[8:12, 8:12][:, ::-1]).max() <= 1


def test_picture_fits_into_the_viewport_with_its_proportions(alice: Site, bob: Site) -> None:
    (path,) = send(alice, bob, factories.make_ct(pixels=bytes(2 * 16 * 8), Rows=8))
    reply = bob.get(f"{path}/rendered?viewport=100,100,,,,", accept="image/png")
    assert picture(reply.body).shape == (50, 100)


@pytest.mark.parametrize(
    "query",
    [
        *("annotation=", "annotation=name", "quality=0", "quality=101", "quality=x", "iccprofile=sepia"),
        *("window=1,2", "window=1,0,linear", "window=1,2,cubic", "window=a,2,linear", "viewport=0,1", "viewport=1"),
        *("viewport=1,1,1", "viewport=1,1,,,0,1", "viewport=1,1,-1,0,1,1", "viewport=1,1,16,16,4,4"),
    ],
)
def test_bad_parameters_are_refused(alice: Site, bob: Site, query: str) -> None:
    (path,) = send(alice, bob, ramp())
    assert bob.get(f"{path}/rendered?{query}").status == 400


def test_annotation_is_burned_in_last(alice: Site, bob: Site) -> None:
    (path,) = send(alice, bob, factories.make_ct(pixels=bytes(2 * 128 * 128), Rows=128, Columns=128))
    bare, named = (
        picture(bob.get(f"{path}/rendered{query}", accept="image/png").body) for query in ("", "?annotation=patient")
    )
    assert bare.max() == 0
    assert named[:64].max() > 200 and named[64:].max() == 0


def test_annotation_that_is_not_offered_is_told(alice: Site, bob: Site) -> None:
    (path,) = send(alice, bob, ramp())
    reply = bob.get(f"{path}/rendered?annotation=patient,stars")
    assert reply.headers["Warning"].endswith("The following annotation values are not supported: stars")


def test_all_frames_come_as_parts(alice: Site, bob: Site) -> None:
    (path,) = send(alice, bob, shipped("SC_rgb_rle_2frame.dcm"))
    stored = pydicom.dcmread(io.BytesIO(shipped("SC_rgb_rle_2frame.dcm"))).pixel_array
    reply = bob.get(f"{path}/rendered", accept='multipart/related; type="image/png"')
    assert [np.abs(picture(file) - frame).max() for file, frame in zip(reply.files(), stored, strict=True)] == [0, 0]


def test_all_frames_come_as_one_animation(alice: Site, bob: Site) -> None:
    (path,) = send(alice, bob, shipped("SC_rgb_rle_2frame.dcm"))
    reply = bob.get(f"{path}/rendered", accept="image/gif")
    assert Image.open(io.BytesIO(reply.body)).n_frames == 2  # type: ignore[attr-defined]


def test_frame_is_shown_by_its_number(alice: Site, bob: Site) -> None:
    (path,) = send(alice, bob, shipped("SC_rgb_rle_2frame.dcm"))
    stored = pydicom.dcmread(io.BytesIO(shipped("SC_rgb_rle_2frame.dcm"))).pixel_array
    reply = bob.get(f"{path}/frames/2/rendered", accept="image/png")
    assert (picture(reply.body) == stored[1]).all()


@pytest.mark.parametrize(("numbers", "status"), [("3", 404), ("0", 400), ("2,1", 400), ("x", 400)])
def test_frames_that_are_not_there(alice: Site, bob: Site, numbers: str, status: int) -> None:
    (path,) = send(alice, bob, shipped("SC_rgb_rle_2frame.dcm"))
    assert bob.get(f"{path}/frames/{numbers}/rendered").status == status


def test_one_frame_that_fails_is_a_problem_for_itself_alone(alice: Site, bob: Site) -> None:
    ds = pydicom.dcmread(io.BytesIO(shipped("SC_rgb_rle_2frame.dcm")))
    first, second = pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=2)
    ds.PixelData = pydicom.encaps.encapsulate([first, bytes(len(second))])
    broken = io.BytesIO()
    ds.save_as(broken)
    (path,) = send(alice, bob, broken.getvalue())
    reply = bob.get(f"{path}/frames/1,2/rendered", accept='multipart/related; type="image/jpeg"')
    (good, _), (bad, words) = reply.parts()
    assert (reply.status, good["content-type"], bad["content-type"]) == (206, "image/jpeg", "application/problem+json")
    assert "transfer-syntax=*" in json.loads(words)["detail"]
    assert bob.get(f"{path}/frames/2/rendered").status == 406


def test_study_is_shown_in_parts_and_recorded_as_viewed(bob: Site, sent: Sent) -> None:
    reply = bob.get(f"/dicomweb/studies/{sent.study}/rendered")
    assert [picture(file).shape for file in reply.files()] == [(16, 16)] * 3
    assert set(PullRecord.objects.values_list("kind", "count")) == {("viewed", 1)}
    assert PullRecord.objects.count() == 3


def test_study_as_a_single_picture_is_not_acceptable(bob: Site, sent: Sent) -> None:
    assert bob.get(f"/dicomweb/studies/{sent.study}/rendered", accept="image/jpeg").status == 406


def test_dicom_and_pictures_are_not_mixed(bob: Site, sent: Sent) -> None:
    assert bob.get(f"{sent.instance_path}/rendered", accept="image/png, application/dicom").status == 400


def test_picture_is_not_sent_again(alice: Site, bob: Site) -> None:
    (path,) = send(alice, bob, ramp())
    tag = bob.get(f"{path}/rendered").headers["ETag"]
    assert bob.get(f"{path}/rendered", **{"If-None-Match": tag}).status == 304
    assert bob.get(f"{path}/rendered?quality=5", **{"If-None-Match": tag}).status == 200


def test_stranger_sees_no_picture(bob: Site, charlie: Site, sent: Sent) -> None:
    for level in (f"/dicomweb/studies/{sent.study}", sent.instance_path, f"{sent.instance_path}/frames/1"):
        assert [charlie.get(f"{level}/{what}").status for what in ("rendered", "thumbnail")] == [404, 404]


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_thumbnails_at_four_levels(bob: Site, sent: Sent, depth: int) -> None:
    levels = [f"/dicomweb/studies/{sent.study}", f"/series/{sent.series[0]}", f"/instances/{sent.instances[0]}"]
    path = "".join([*levels, "/frames/1"][: depth + 1])
    reply = bob.get(f"{path}/thumbnail?viewport=32,32")
    assert (reply.headers["Content-Type"], picture(reply.body).shape) == ("image/jpeg", (32, 32))


def test_thumbnail_with_a_name_in_its_pixels_is_a_sign(alice: Site, bob: Site) -> None:
    paths = send(alice, bob, ramp(), ramp(BurnedInAnnotation="YES"))
    plain, sign = (picture(bob.get(f"{path}/thumbnail", accept="image/png").body) for path in paths)
    assert plain.shape == sign.shape
    assert set(np.unique(sign)) < {*range(256)} and np.abs(plain - sign).max() > 100


def test_thumbnail_takes_no_region(bob: Site, sent: Sent) -> None:
    assert bob.get(f"{sent.instance_path}/thumbnail?viewport=32,32,0,0,4,4").status == 400


def test_presentation_state_turns_flips_inverts(alice: Site, bob: Site) -> None:
    image = ramp()
    state = state_for(image, PresentationLUTShape="INVERSE", ImageRotation=90, ImageHorizontalFlip="Y")
    path = send(alice, bob, image, state)[1]
    shown = picture(bob.get(f"{path}/rendered", accept="image/png").body)
    assert np.abs(shown - (255 - np.rot90(RAMP, -1)[:, ::-1].astype(np.int64))).max() <= 1


def test_presentation_state_brings_its_window_area_and_drawing(alice: Site, bob: Site) -> None:
    image = ramp()
    voi, area, graphic, layer = Dataset(), Dataset(), Dataset(), Dataset()
    voi.WindowCenter, voi.WindowWidth = 1000, 10
    area.DisplayedAreaTopLeftHandCorner, area.DisplayedAreaBottomRightHandCorner = [1, 1], [8, 8]
    graphic.GraphicType, graphic.GraphicAnnotationUnits = "POLYLINE", "PIXEL"
    graphic.NumberOfGraphicPoints, graphic.GraphicDimensions, graphic.GraphicData = 2, 2, [1.5, 3.5, 7.5, 3.5]
    layer.GraphicObjectSequence = Sequence([graphic])
    words = Dataset()
    words.UnformattedTextValue, words.AnchorPoint, words.AnchorPointAnnotationUnits = "here", [1.0, 30.0], "PIXEL"
    layer.TextObjectSequence = Sequence([words])
    state = state_for(
        image,
        SoftcopyVOILUTSequence=Sequence([voi]),
        DisplayedAreaSelectionSequence=Sequence([area]),
        GraphicAnnotationSequence=Sequence([layer]),
    )
    path = send(alice, bob, image, state)[1]
    shown = picture(bob.get(f"{path}/rendered", accept="image/png").body)
    assert shown.shape == (8, 8)
    assert shown[3, 2:6].tolist() == [255] * 4 and shown[5].max() == 0


@pytest.mark.parametrize("query", ["?window=1,2,linear", "?viewport=1,1,,,1,1"])
def test_presentation_state_takes_no_window_and_no_region(alice: Site, bob: Site, query: str) -> None:
    image = ramp()
    path = send(alice, bob, image, state_for(image))[1]
    assert bob.get(f"{path}/rendered{query}").status == 400
    assert bob.get(f"{path}/frames/1/rendered").status == 400


def test_report_is_a_page_without_script(alice: Site, bob: Site) -> None:
    (path,) = send(alice, bob, report())
    reply = bob.get(f"{path}/rendered")
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"&lt;script&gt;alert(1)&lt;/script&gt; Gr\xc3\xb6\xc3\x9fe" in reply.body
    assert b"<script" not in reply.body
    assert "sandbox" in reply.headers["Content-Security-Policy"]


def test_report_is_plain_text_in_another_character_set(alice: Site, bob: Site) -> None:
    (path,) = send(alice, bob, report())
    reply = bob.get(f"{path}/rendered?charset=iso-8859-1", accept="text/plain")
    assert "Finding: <script>alert(1)</script> Größe 3 cm".encode("latin-1") in reply.body
    assert bob.get(f"{path}/rendered?charset=klingon").status == 400


def test_encapsulated_pdf_is_given_as_an_attachment(alice: Site, bob: Site) -> None:
    content = b"%PDF-1.4 nothing "
    file = factories.make_ct(
        pixels=b"",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1",
        Rows=None,
        MIMETypeOfEncapsulatedDocument="application/pdf",
        EncapsulatedDocument=content * 200,
    )
    (path,) = send(alice, bob, file)
    reply = bob.get(f"{path}/rendered", accept="application/pdf")
    assert reply.body == content * 200
    assert reply.headers["Content-Disposition"].startswith("attachment")
