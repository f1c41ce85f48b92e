"""Numbers of a frame: depths, signs, orders, colours; what cannot be decoded says so."""

import numpy as np
import pytest

from transfers.formats import pixels
from transfers.formats.pixels import Shape, Undecodable

EXPLICIT = "1.2.840.10008.1.2.1"


def shape(**values: object) -> Shape:
    known = {
        "transfer_syntax_uid": EXPLICIT,
        "rows": 2,
        "columns": 2,
        "samples": 1,
        "bits_allocated": 16,
        "bits_stored": 16,
        "high_bit": 15,
        "is_signed": False,
        "photometric": "MONOCHROME2",
        "planar": 0,
        **values,
    }
    return Shape(**known)  # type: ignore[arg-type]


def decoded(frame: bytes, **values: object) -> list[object]:
    return pixels.decode(frame, shape(**values)).array.tolist()  # type: ignore[no-any-return]


def words(*values: int) -> bytes:
    return np.array(values, "<u2").tobytes()


def test_words_are_little_endian() -> None:
    assert decoded(words(1, 256, 65535, 0)) == [[1, 256], [65535, 0]]


def test_sign_of_an_odd_depth_is_drawn_out() -> None:
    found = decoded(words(0x0FFF, 0x0800, 0x07FF, 0xF001), bits_stored=12, high_bit=11, is_signed=True)
    assert found == [[-1, -2048], [2047, 1]]


def test_bits_above_the_number_are_no_part_of_it() -> None:
    assert decoded(words(0xF123, 0x1000, 0, 1), bits_stored=12, high_bit=11) == [[0x123, 0], [0, 1]]


def test_number_may_lie_in_the_upper_bits() -> None:
    assert decoded(words(0x1230, 0xFFF0, 0x000F, 0), bits_stored=12, high_bit=15) == [[0x123, 0xFFF], [0, 0]]


def test_single_bits_begin_at_the_lowest() -> None:
    assert decoded(b"\x05", bits_allocated=1, bits_stored=1, high_bit=0) == [[1, 0], [1, 0]]


def test_cells_of_32_bits() -> None:
    frame = np.array([1, 2, 3, 70000], "<u4").tobytes()
    assert decoded(frame, bits_allocated=32, bits_stored=32, high_bit=31) == [[1, 2], [3, 70000]]


def test_colour_by_plane_becomes_colour_by_pixel() -> None:
    frame = bytes(range(12))
    found = decoded(frame, samples=3, bits_allocated=8, bits_stored=8, high_bit=7, photometric="RGB", planar=1)
    assert found == [[[0, 4, 8], [1, 5, 9]], [[2, 6, 10], [3, 7, 11]]]


def test_two_pixels_share_their_colour() -> None:
    frame = bytes((10, 20, 128, 128, 30, 40, 128, 128))
    found = decoded(frame, samples=3, bits_allocated=8, bits_stored=8, high_bit=7, photometric="YBR_FULL_422")
    assert found == [[[10] * 3, [20] * 3], [[30] * 3, [40] * 3]]


@pytest.mark.parametrize(
    ("ybr", "rgb"), [((76, 85, 255), (254, 0, 0)), ((0, 128, 128), (0, 0, 0)), ((255, 128, 128), (255, 255, 255))]
)
def test_ybr_becomes_rgb(ybr: tuple[int, ...], rgb: tuple[int, ...]) -> None:
    assert pixels.ybr_to_rgb(np.array([ybr], np.uint8), 8).tolist() == [list(rgb)]


@pytest.mark.parametrize(
    "syntax", [EXPLICIT, "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.100"]
)
def test_what_is_no_frame_is_undecodable(syntax: str) -> None:
    with pytest.raises(Undecodable):
        pixels.decode(b"\0\1\2", shape(transfer_syntax_uid=syntax))


def test_embedded_overlay_is_one_bit_of_each_cell() -> None:
    found = pixels.bit_plane(words(0x8001, 1, 0x8000, 0), shape(), 15)
    assert found.tolist() == [[1, 0], [1, 0]]
