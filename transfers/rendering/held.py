"""Native frames that have no place of their own in the file: of a deflated data set, or of pixels of less than an octet
(DICOM PS3.5 Section 8.1.1 and Annex A.5). They are made before the answer begins.
"""

from collections.abc import Sequence

from transfers import errors
from transfers.rendering import opened
from transfers.rendering.encoding import Room
from transfers.retrieving import InstanceItem, Piece, Whole


def held_frames(item: InstanceItem, numbers: Sequence[int]) -> list[list[Piece]]:
    """Frames by their numbers from 1, each beginning with an octet of its own; raises NotFound, NotAcceptable."""
    made, room = opened.open_instance(item), Room()
    if numbers[-1] > made.count:
        raise errors.NotFound
    image = made.image
    bits = image.rows * image.columns * image.samples * image.bits_allocated
    frames: list[list[Piece]] = []
    for number in numbers:
        octets, skipped = made.frame(number)
        if len(octets) * 8 < skipped + bits:
            raise errors.NotAcceptable(opened.UNDECODABLE)
        octets = aligned(octets, skipped=skipped, bits=bits)
        room.take(len(octets))
        frames.append([octets, Whole(item, len(octets))])
    return frames


def aligned(octets: bytes, *, skipped: int, bits: int) -> bytes:
    """So many bits behind those that are skipped, from the least significant of an octet on, zeros at their end."""
    if not skipped and bits % 8 == 0:
        return octets[: bits // 8]
    packed = int.from_bytes(octets, "little") >> skipped & (1 << bits) - 1
    return packed.to_bytes((bits + 7) // 8, "little")
