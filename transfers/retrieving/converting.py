"""An uncompressed instance in Explicit VR Little Endian, whatever it is stored in (DICOM PS3.18 Section 8.7.3.5.2).

The elements before and after the pixels are written anew; the pixels themselves are never held, only handed over,
their words swapped where they are stored in Big Endian.
"""

import struct
from collections.abc import Iterable
from typing import Final

from transfers import errors
from transfers.formats import deflate, explicit, filemeta, part10, transcode
from transfers.retrieving.answers import Piece, Stretch, Whole, read
from transfers.retrieving.items import InstanceItem

EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
_DEFLATED: Final = "1.2.840.10008.1.2.1.99"
CONVERTIBLE: Final = frozenset({part10.IMPLICIT_LITTLE, part10.EXPLICIT_BIG, _DEFLATED})
# What is written anew is held until it has left.
MAX_HELD: Final = 128 << 20

_TOO_LARGE: Final = "There is too much to convert at once. Add transfer-syntax=* to get what is stored, byte for byte."
_UNREADABLE: Final = "An instance cannot be converted. Add transfer-syntax=* to get what is stored, byte for byte."
_PIXEL_DATA: Final = 0x7FE00010


class Budget:
    """How much one answer may still hold."""

    def __init__(self) -> None:
        self._left = MAX_HELD

    def take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise errors.NotAcceptable(_TOO_LARGE)


def explicit_pieces(item: InstanceItem, budget: Budget) -> list[Piece]:
    """The file in Explicit VR Little Endian, as pieces; raises NotAcceptable where that cannot be."""
    try:
        pieces = _inflated_file(item, budget) if item.transfer_syntax_uid == _DEFLATED else _converted(item, budget)
    except errors.InstanceRefused:
        raise errors.NotAcceptable(_UNREADABLE) from None
    size = sum(len(piece) if isinstance(piece, bytes) else piece.stop - piece.start for piece in pieces)
    return [*pieces, Whole(item, size)]


def pixel_width(item: InstanceItem) -> int:
    """How many octets of native pixel data belong together: more than 1 for words in Big Endian.

    Writers turn cells of 32 bits round whole, though a word of OW has two octets (PS3.5 Section 8.1.1).
    """
    if item.transfer_syntax_uid != part10.EXPLICIT_BIG or item.pixel_offset is None or item.pixel_offset > MAX_HELD:
        return 1
    front = b"".join(read(item, start=item.dataset_offset, stop=item.pixel_offset + 6))
    if front[-2:] != b"OW":
        return explicit.word_width(front[-2:].decode("latin-1"))
    try:
        image = transcode.image_of(front[:-6], transfer_syntax_uid=part10.EXPLICIT_BIG)
    except errors.InstanceRefused:
        return 2
    return max(2, image.bits_allocated // 8)


def _converted(item: InstanceItem, budget: Budget) -> list[bytes | Stretch]:
    implicit = item.transfer_syntax_uid == part10.IMPLICIT_LITTLE
    end = item.size if item.pixel_offset is None else item.pixel_offset
    budget.take(end)
    front = b"".join(read(item, start=0, stop=end))
    head = with_syntax(front[: item.dataset_offset]) + explicit.convert(
        front[item.dataset_offset :], is_implicit=implicit
    )
    if item.pixel_start is None or item.pixel_length is None:
        return [head]
    width, stop = pixel_width(item), item.pixel_start + item.pixel_length
    vr = "OW" if implicit or width > 1 else "OB"
    budget.take(item.size - stop)
    tail = explicit.convert(b"".join(read(item, start=stop, stop=item.size)), is_implicit=implicit)
    return [
        head + explicit.element_head(_PIXEL_DATA, vr, item.pixel_length),
        Stretch(item, item.pixel_start, stop, width, item.pixel_start),
        tail,
    ]


def inflated(item: InstanceItem, budget: Budget) -> list[bytes]:
    """A deflated data set, held; raises MalformedInstance, UnsafeInstance, and NotAcceptable past the budget."""
    inflater = deflate.Inflater()
    pieces: list[bytes] = []
    for chunk in read(item, start=item.dataset_offset, stop=item.size):
        for piece in inflater.feed(chunk):
            budget.take(len(piece))
            pieces.append(piece)
    return pieces


def _inflated_file(item: InstanceItem, budget: Budget) -> list[bytes | Stretch]:
    """PS3.5 Annex A.5: inside the deflation everything is explicit already."""
    front = b"".join(read(item, start=0, stop=item.dataset_offset))
    return [with_syntax(front), *inflated(item, budget)]


def with_syntax(front: bytes, syntax: str = EXPLICIT_LITTLE) -> bytes:
    """Preamble and file meta information with another transfer syntax (PS3.10 Section 7.1)."""
    elements = list(_meta_elements(front))
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    group = b"".join(
        explicit.element_head(tag, "UI", len(value)) + value if tag == filemeta.SYNTAX else raw
        for tag, raw in elements
        if tag != filemeta.LENGTH
    )
    length = explicit.element_head(filemeta.LENGTH, "UL", 4) + struct.pack("<I", len(group))
    return front[: filemeta.PREAMBLE] + length + group


def _meta_elements(front: bytes) -> Iterable[tuple[int, bytes]]:
    """Tag and octets of each element of group 0002; the scanner has checked their lengths."""
    at = filemeta.PREAMBLE
    while at < len(front):
        group, number, vr, length = struct.unpack_from("<HH2sH", front, at)
        start = at + 8
        if vr in (b"OB", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT"):
            (length,) = struct.unpack_from("<I", front, start)
            start += 4
        yield group << 16 | number, front[at : start + length]
        at = start + length
