"""Where single frames lie inside a stored instance (DICOM PS3.5 Section 8 and Annex A.4)."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Image:
    """The attributes that say how large a frame is (PS3.3 Section C.7.6.3)."""

    rows: int | None
    columns: int | None
    bits_allocated: int | None
    samples_per_pixel: int | None
    number_of_frames: int | None
    photometric_interpretation: str | None


@dataclass(frozen=True, slots=True)
class NativeFrames:
    """Frames of one size, one behind the other."""

    offset: int
    length: int
    count: int

    def fragments(self, frame: int) -> list[tuple[int, int]]:
        """(offset, length) of the zero-based frame in the file."""
        if not 0 <= frame < self.count:
            raise IndexError(frame)
        return [(self.offset + frame * self.length, self.length)]


@dataclass(frozen=True, slots=True)
class EncapsulatedFrames:
    """Compressed frames: frame i owns the fragments firsts[i] up to firsts[i + 1]."""

    offsets: "array[int]"
    lengths: "array[int]"
    firsts: "array[int]"

    @property
    def count(self) -> int:
        return len(self.firsts) - 1

    def fragments(self, frame: int) -> list[tuple[int, int]]:
        """(offset, length) of each fragment of the zero-based frame in the file."""
        if not 0 <= frame < self.count:
            raise IndexError(frame)
        own = slice(self.firsts[frame], self.firsts[frame + 1])
        return list(zip(self.offsets[own], self.lengths[own], strict=True))


Frames = NativeFrames | EncapsulatedFrames


def native_bits(image: Image) -> int | None:
    """Bits of one uncompressed frame (PS3.5 Section 8.1.1), None if an attribute is missing.

    The YBR interpretations named here share colour samples between pixels (PS3.3 Section C.7.6.3.1.2).
    """
    if not image.rows or not image.columns or not image.bits_allocated:
        return None
    bits = image.rows * image.columns * image.bits_allocated
    samples = image.samples_per_pixel or 1
    if samples == 3 and image.photometric_interpretation in ("YBR_FULL_422", "YBR_PARTIAL_422"):
        return bits * 2
    if samples == 3 and image.photometric_interpretation == "YBR_PARTIAL_420":
        return bits * 3 // 2
    return bits * samples


def native(offset: int, *, size: int, frame_bits: int, count: int) -> NativeFrames | None:
    """Frames of a native value, None if it is too short or frames share an octet (PS3.5 8.1.1)."""
    if frame_bits % 8 and count > 1:
        return None
    length = (frame_bits + 7) // 8
    if count < 1 or length * count > size:
        return None
    return NativeFrames(offset, length, count)


def encapsulated(
    offsets: "array[int]",
    lengths: "array[int]",
    *,
    count: int,
    basic: Sequence[int],
    extended: Sequence[int],
) -> EncapsulatedFrames | None:
    """Share the fragments out among the frames; None if there is no telling.

    The tables count from the head of the first fragment's item. A table that names no fragment's
    head, or is not ascending, is not believed.
    """
    total = len(offsets)
    for table in (extended, basic):
        firsts = _firsts(offsets, table)
        if firsts is not None and len(firsts) - 1 == count:
            return EncapsulatedFrames(offsets, lengths, firsts)
    if total and total == count:
        return EncapsulatedFrames(offsets, lengths, array("I", range(total + 1)))
    if total and count == 1:
        return EncapsulatedFrames(offsets, lengths, array("I", (0, total)))
    return None


def _firsts(offsets: "array[int]", table: Sequence[int]) -> "array[int] | None":
    if not table or table[0] != 0 or not offsets:
        return None
    firsts, fragment = array("I"), 0
    for start in table:
        while fragment < len(offsets) and offsets[fragment] - offsets[0] < start:
            fragment += 1
        if fragment == len(offsets) or offsets[fragment] - offsets[0] != start or fragment in firsts[-1:]:
            return None
        firsts.append(fragment)
    firsts.append(len(offsets))
    return firsts
