"""A compressed data set as an uncompressed one: its header anew, its size known beforehand (DICOM PS3.5 Annex A.4).

Plain arithmetic over octets; the pixels themselves are decoded elsewhere, one frame after the other.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from transfers import errors
from transfers.formats import explicit, locating, part10

_JPEG: Final = "1.2.840.10008.1.2.4."
RLE: Final = "1.2.840.10008.1.2.5"
# What is lossless stays in the colours it is stored in; of the others the codec gives red, green and blue.
_LOSSY_OR_WAVELETS: Final = frozenset(_JPEG + end for end in ("50", "51", "90", "91", "201", "202", "203"))
DECODABLE: Final = frozenset({RLE, *(_JPEG + end for end in ("57", "70", "80", "81")), *_LOSSY_OR_WAVELETS})
# Lossless syntaxes into which frames are compressed anew, where they are asked for by name.
ENCODABLE: Final = frozenset({RLE, _JPEG + "80", _JPEG + "90"})
MAX_FRAME: Final = 256 << 20

_SAMPLES, _PHOTOMETRIC, _PLANAR, _FRAMES = 0x00280002, 0x00280004, 0x00280006, 0x00280008
_ROWS, _COLUMNS, _ALLOCATED = 0x00280010, 0x00280011, 0x00280100
_ICON: Final = 0x00880200
_PIXEL_DATA: Final = 0x7FE00010
# Offset tables and the length of what was encapsulated (PS3.3 Section C.7.6.3.1.8 and following).
_DROPPED: Final = frozenset({0x7FE00001, 0x7FE00002, 0x7FE00003})
_VRS: Final = {_PHOTOMETRIC: "CS", _PLANAR: "US"}


@dataclass(frozen=True, slots=True)
class Image:
    """What a header says of its pixels (PS3.3 Section C.7.6.3)."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    number_of_frames: int
    photometric: str
    burned_in: str = ""

    @property
    def frame_size(self) -> int:
        """Octets of a decoded frame."""
        return self.rows * self.columns * self.samples * self.bits_allocated // 8


def image_of(data: bytes, *, transfer_syntax_uid: str) -> Image:
    """Read the image attributes of a data set; raises MalformedInstance where they make no picture."""
    is_big = transfer_syntax_uid == part10.EXPLICIT_BIG
    walked = locating.elements(data, is_implicit=transfer_syntax_uid == part10.IMPLICIT_LITTLE, is_big=is_big)
    values = {one.tag: data[one.start : min(one.stop, one.start + 64)] for one in walked if one.tag >> 16 == 0x28}

    def short(tag: int, standard: int = 0) -> int:
        return int.from_bytes(values[tag][:2], "big" if is_big else "little") if values.get(tag) else standard

    text = {tag: values.get(tag, b"").decode("latin-1").strip(" \0") for tag in (_PHOTOMETRIC, _FRAMES, 0x00280301)}
    image = Image(
        rows=short(_ROWS),
        columns=short(_COLUMNS),
        samples=short(_SAMPLES, 1),
        bits_allocated=short(_ALLOCATED),
        number_of_frames=int(text[_FRAMES]) if text[_FRAMES].isdecimal() and len(text[_FRAMES]) < 10 else 1,
        photometric=text[_PHOTOMETRIC],
        burned_in=text[0x00280301],
    )
    if not (image.rows and image.columns and image.bits_allocated and image.samples in (1, 3, 4)):
        raise errors.MalformedInstance
    return image


def becomes_rgb(image: Image, *, transfer_syntax_uid: str) -> bool:
    """Whether decoding turns the colours into red, green and blue (PS3.5 Section 8.2)."""
    return image.samples == 3 and transfer_syntax_uid in _LOSSY_OR_WAVELETS


def native_elements(data: bytes, image: Image, *, transfer_syntax_uid: str) -> bytes:
    """The elements before the pixels, as they must be once these are decoded, and the head of Pixel Data.

    Raises MalformedInstance.
    """
    size = native_length(image)
    vr = "OW" if image.bits_allocated > 8 else "OB"
    if size > 0xFFFFFFFE:
        raise errors.MalformedInstance
    return _by_pixel(data, image, transfer_syntax_uid) + explicit.element_head(_PIXEL_DATA, vr, size)


def encapsulated(data: bytes, image: Image, streams: Sequence[bytes], *, transfer_syntax_uid: str) -> Iterator[bytes]:
    """All elements up to the end of Pixel Data, each frame in one fragment, with a Basic Offset Table (Annex A.4)."""
    yield _by_pixel(data, image, transfer_syntax_uid)
    yield explicit.element_head(_PIXEL_DATA, "OB", explicit.UNDEFINED)
    sizes = [8 + len(stream) + len(stream) % 2 for stream in streams]
    starts = list(accumulate(sizes[:-1], initial=0)) if sum(sizes) <= 0xFFFFFFFF else []
    yield struct.pack("<HHI", 0xFFFE, 0xE000, 4 * len(starts)) + struct.pack(f"<{len(starts)}I", *starts)
    for stream in streams:
        yield struct.pack("<HHI", 0xFFFE, 0xE000, len(stream) + len(stream) % 2)
        yield stream + b"\0" * (len(stream) % 2)
    yield struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def native_length(image: Image) -> int:
    """Octets of all decoded frames, made even (PS3.5 Section 8.1.1)."""
    size = image.frame_size * image.number_of_frames
    return size + size % 2


def _by_pixel(data: bytes, image: Image, transfer_syntax_uid: str) -> bytes:
    """The elements as they are true of decoded frames."""
    photometric = "RGB" if becomes_rgb(image, transfer_syntax_uid=transfer_syntax_uid) else image.photometric
    changes = {_PHOTOMETRIC: photometric.replace("YBR_FULL_422", "YBR_FULL").encode()}
    if image.samples > 1:
        changes[_PLANAR] = b"\0\0"
    return _rewritten(data, changes)


def _rewritten(data: bytes, changes: Mapping[int, bytes]) -> bytes:
    left = dict(sorted(changes.items()))
    pieces: list[bytes] = []
    for one in locating.elements(data, is_implicit=False, is_big=False):
        while left and next(iter(left)) <= one.tag:
            tag = next(iter(left))
            pieces.append(_element(tag, left.pop(tag)))
        if one.tag not in changes and not _is_dropped(one, data):
            pieces.append(data[one.at : one.stop])
    pieces.extend(_element(tag, value) for tag, value in left.items())
    return b"".join(pieces)


def _element(tag: int, value: bytes) -> bytes:
    value += b" " * (len(value) % 2)
    return explicit.element_head(tag, _VRS[tag], len(value)) + value


def _is_dropped(one: locating.Element, data: bytes) -> bool:
    """Group lengths are wrong now, offset tables point to nothing, and an icon may be compressed like its image."""
    if one.tag == _ICON:
        value = data[one.start : one.stop]
        return any(value.find(b"\xe0\x7f\x10\x00" + vr + b"\0\0\xff\xff\xff\xff") >= 0 for vr in (b"OB", b"OW"))
    return one.tag in _DROPPED or one.tag & 0xFFFF == 0


def native_pixels(data: bytes) -> locating.Element | None:
    """Where uncompressed pixel data lie in a data set of Explicit VR Little Endian."""
    return next(
        (one for one in locating.elements(data, is_implicit=False, is_big=False) if one.tag == _PIXEL_DATA), None
    )
