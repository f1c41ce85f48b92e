"""Frames compressed anew without loss, for those who ask for a syntax by name (DICOM PS3.18 Section 8.7.3.5.2).

How long they will be is not known beforehand, so all of an answer is made before it begins.
"""

from collections.abc import Sequence
from typing import Final

from transfers import errors, retrieving
from transfers.formats import explicit, part10, transcode
from transfers.formats.transcode import ENCODABLE as ENCODABLE
from transfers.rendering import opened
from transfers.rendering.opened import Opened
from transfers.retrieving import InstanceItem, Piece, Whole

MAX_MADE: Final = 256 << 20
_UNABLE: Final = "The pixels cannot be given in this syntax without loss. Retrieve the instance with transfer-syntax=*."


class Room:
    """How much one answer may still hold."""

    def __init__(self) -> None:
        self._left = MAX_MADE

    def take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise errors.NotAcceptable(opened.TOO_LARGE)


def encoded_pieces(item: InstanceItem, target: str, room: Room) -> list[Piece]:
    """An instance in another lossless syntax, whole; raises NotAcceptable where that cannot be."""
    made = opened.open_instance(item)
    if made.count < made.image.number_of_frames:
        raise errors.NotAcceptable(_UNABLE)
    streams = [_encoded(made, number, target, room) for number in range(1, made.image.number_of_frames + 1)]
    data = made.front[made.dataset_offset : made.pixel_offset]
    try:
        data, tail = (_explicit(octets, made.syntax) for octets in (data, made.tail()))
        elements = transcode.encapsulated(data, made.image, streams, transfer_syntax_uid=made.syntax)
        octets = b"".join((retrieving.with_syntax(made.front[: made.dataset_offset], target), *elements, tail))
    except errors.InstanceRefused:
        raise errors.NotAcceptable(_UNABLE) from None
    return [octets, Whole(item, len(octets))]


def encoded_frames(item: InstanceItem, numbers: Sequence[int], target: str) -> list[list[Piece]]:
    """Single frames in another lossless syntax, by their numbers from 1; raises NotFound, NotAcceptable."""
    made, room = opened.open_instance(item), Room()
    if numbers[-1] > made.count:
        raise errors.NotFound
    streams = (_encoded(made, number, target, room) for number in numbers)
    return [[stream, Whole(item, len(stream))] for stream in streams]


def _explicit(data: bytes, syntax: str) -> bytes:
    if syntax not in (part10.IMPLICIT_LITTLE, part10.EXPLICIT_BIG):
        return data
    return explicit.convert(data, is_implicit=syntax == part10.IMPLICIT_LITTLE)


def _encoded(made: Opened, number: int, target: str, room: Room) -> bytes:
    size = made.image.frame_size
    if size > transcode.MAX_FRAME or made.image.bits_allocated not in (8, 16):
        raise errors.NotAcceptable(_UNABLE)
    frame, _ = made.frame(number)
    to_rgb = transcode.becomes_rgb(made.image, transfer_syntax_uid=made.syntax)
    try:
        # What does not become smaller may become a little larger.
        (said,), octets = opened.ask(
            made, "encode", [frame], size=4 * size, max_reply=2 * size + 65536, to_rgb=to_rgb, target=target
        )
    except errors.SandboxKilled:
        raise errors.NotAcceptable(_UNABLE) from None
    if "error" in said:
        raise errors.NotAcceptable(_UNABLE)
    room.take(len(octets))
    return octets
