"""Compressed pixels in Explicit VR Little Endian, a frame at a time (DICOM PS3.18 Section 8.7.3.5).

How many octets there will be follows from the header, so answers have a length before anything is decoded.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from transfers import errors, retrieving
from transfers.formats import transcode
from transfers.formats.transcode import DECODABLE as DECODABLE
from transfers.rendering import opened
from transfers.rendering.opened import Opened
from transfers.retrieving import InstanceItem, Made, Piece, Stretch, Whole

# PS3.5 Table A.4-1.
_ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"
_ITEM_HEAD: Final = 8


def decompressed_pieces(item: InstanceItem) -> list[Piece]:
    """A compressed instance as an uncompressed file; raises NotAcceptable where that cannot be."""
    made = _open(item)
    try:
        elements = transcode.native_elements(
            made.front[item.dataset_offset : made.pixel_offset],
            made.image,
            transfer_syntax_uid=item.transfer_syntax_uid,
        )
    except errors.InstanceRefused:
        raise errors.NotAcceptable(opened.UNDECODABLE) from None
    head = retrieving.with_syntax(made.front[: item.dataset_offset]) + elements
    source = _Source(made, range(1, made.image.number_of_frames + 1))
    size = transcode.native_length(made.image)
    end = _end_of_pixels(made)
    after = [Stretch(item, end, item.size)] if end < item.size else []
    return [head, Made(item, 0, size, source.read), *after, Whole(item, len(head) + size + item.size - end)]


def decoded_frames(item: InstanceItem, numbers: Sequence[int]) -> list[list[Piece]]:
    """Single frames, by their numbers from 1; raises NotFound, NotAcceptable."""
    made = _open(item)
    if numbers[-1] > made.count:
        raise errors.NotFound
    size = made.image.frame_size
    return [[Made(item, 0, size, _Source(made, [number]).read), Whole(item, size)] for number in numbers]


def made_whole(pieces: Sequence[Piece]) -> list[Piece]:
    """The same with what is small enough made now, so that a frame that fails does so before an answer begins."""
    if sum(piece.stop - piece.start for piece in pieces if isinstance(piece, Made)) > transcode.MAX_FRAME:
        return list(pieces)
    return [b"".join(piece.make(piece.start, piece.stop)) if isinstance(piece, Made) else piece for piece in pieces]


def _open(item: InstanceItem) -> Opened:
    made = opened.open_instance(item)
    if made.image.frame_size > transcode.MAX_FRAME:
        raise errors.NotAcceptable(opened.TOO_LARGE)
    if item.transfer_syntax_uid not in DECODABLE or made.known is None or made.count < made.image.number_of_frames:
        raise errors.NotAcceptable(opened.UNDECODABLE)
    return made


def _end_of_pixels(made: Opened) -> int:
    """Where the elements after Pixel Data begin: behind the last fragment and the delimiter of the sequence."""
    assert made.known is not None
    at = max(offset + length for offset, length in made.known.fragments(made.count - 1))
    while True:
        head = b"".join(retrieving.read(made.item, start=at, stop=min(at + _ITEM_HEAD, made.item.size), key=made.key))
        if head == _DELIMITER:
            return at + _ITEM_HEAD
        if len(head) < _ITEM_HEAD or not head.startswith(_ITEM):
            raise errors.NotAcceptable(opened.UNDECODABLE)
        at += _ITEM_HEAD + int.from_bytes(head[4:], "little")


class _Source:
    """Frames decoded one by one, as one run of octets that can be begun anywhere."""

    def __init__(self, made: Opened, numbers: Sequence[int]) -> None:
        self._made, self._numbers = made, numbers
        self._to_rgb = transcode.becomes_rgb(made.image, transfer_syntax_uid=made.item.transfer_syntax_uid)

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        size = self._made.image.frame_size
        total = size * len(self._numbers)
        for index in range(start // size, min((stop + size - 1) // size, len(self._numbers))):
            octets = self._decode(self._numbers[index])
            yield octets[max(0, start - index * size) : stop - index * size]
        if stop > total:
            yield b"\0"

    def _decode(self, number: int) -> bytes:
        frame, _ = self._made.frame(number)
        size = self._made.image.frame_size
        try:
            (said,), octets = opened.ask(self._made, "decode", [frame], size=size, max_reply=size, to_rgb=self._to_rgb)
        except errors.SandboxKilled:
            raise errors.NotAcceptable(opened.UNDECODABLE) from None
        if "error" in said or len(octets) != size:
            raise errors.NotAcceptable(opened.UNDECODABLE)
        return octets
