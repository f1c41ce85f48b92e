"""Instances that come as metadata and bulk data, put together as files while they arrive (DICOM PS3.18 Section 10.5.2).

What is stored is what is composed here: a Part 10 file in Explicit VR Little Endian, or in the syntax of its compressed
pixel data. The same request makes the same bytes.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from transfers import errors, sandbox
from transfers.formats import compressed, explicit
from transfers.formats.composing import Bulk
from transfers.receiving.shelf import BulkPart, Chunk, Shelf
from transfers.sandbox import Plan

MAX_METADATA: Final = 32 << 20
IMPLEMENTATION_CLASS_UID: Final = "2.25.85982848699911697776885181173790909047"
IMPLEMENTATION_VERSION: Final = "WAYSTATION"

_PIXEL_DATA: Final = 0x7FE00010
_FRAGMENT: Final = 16 << 20  # a frame of unknown length up to here is one fragment
_ITEM: Final = struct.Struct("<HHI")
_TOO_LARGE: Final = "The metadata are larger than 32 MiB. Send fewer instances at once, or large values as bulk data."
_OTHER_LENGTH: Final = "Bulk data have another length than was announced, or than the image attributes say."


@dataclass(frozen=True, slots=True)
class Composed:
    """A file while it is put together; `names` are its SOP Class and Instance, for the case that it is refused."""

    names: tuple[str, str]
    chunks: Iterator[Chunk]

    def __iter__(self) -> Iterator[Chunk]:
        return self.chunks


class Composition:
    """The instances of one request, in the order of its metadata.

    `metadata` is a JSON array in UTF-8, `parts` are the bulk data that follow it, `base` is the URL of the request.
    Raises BadRequest for what is no such array, TooBroad for one that is too large.
    """

    def __init__(self, metadata: Iterable[Chunk], parts: Iterator[BulkPart], *, base: str) -> None:
        self._plans = sandbox.compose(_read(metadata))
        self._shelf = Shelf(parts, base=base)
        for plan in self._plans:
            for bulk in _bulk_of(plan):
                self._shelf.expect(bulk.uri, parts=_parts_of(bulk, plan))

    @property
    def unnamed(self) -> int:
        """How many parts nothing refers to, once all has been read."""
        return self._shelf.unnamed

    def files(self) -> Iterator[Composed]:
        """One file after the other, each to be read before the next."""
        for plan in self._plans:
            yield Composed((plan.sop_class_uid, plan.sop_instance_uid), _File(plan, self._shelf).chunks())
            for bulk in _bulk_of(plan):
                self._shelf.forget(bulk.uri)
        self._shelf.finish()


def file_meta(plan: Plan, syntax: str) -> bytes:
    """Preamble and group 0002 (PS3.10 Section 7.1)."""
    elements = [(0x00020001, "OB", b"\0\1")]
    for tag, uid in (
        (0x00020002, plan.sop_class_uid),
        (0x00020003, plan.sop_instance_uid),
        (0x00020010, syntax),
        (0x00020012, IMPLEMENTATION_CLASS_UID),
    ):
        elements.append((tag, "UI", uid.encode() + b"\0" * (len(uid) % 2)))
    elements.append((0x00020013, "SH", IMPLEMENTATION_VERSION.encode()))
    group = b"".join(explicit.element_head(tag, vr, len(value)) + value for tag, vr, value in elements)
    return bytes(128) + b"DICM" + explicit.element_head(0x00020000, "UL", 4) + struct.pack("<I", len(group)) + group


def _read(metadata: Iterable[Chunk]) -> bytes:
    octets = bytearray()
    for chunk in metadata:
        octets += chunk
        if len(octets) > MAX_METADATA:
            raise errors.TooBroad(_TOO_LARGE)
    return bytes(octets)


def _bulk_of(plan: Plan) -> list[Bulk]:
    return [piece for piece in plan.pieces if isinstance(piece, Bulk)]


def _is_pixels(bulk: Bulk) -> bool:
    return bulk.tag == _PIXEL_DATA and not bulk.is_nested


def _parts_of(bulk: Bulk, plan: Plan) -> int:
    return max(1, plan.number_of_frames) if _is_pixels(bulk) else 1


class _File:
    def __init__(self, plan: Plan, shelf: Shelf) -> None:
        self._plan, self._shelf = plan, shelf

    def chunks(self) -> Iterator[Chunk]:
        if self._plan.refusal is not None:
            raise self._plan.refusal
        pixels = self._open_pixels()
        syntax = compressed.EXPLICIT_LITTLE
        if pixels is not None:
            pixels, syntax = _told(pixels)
        yield file_meta(self._plan, syntax)
        for piece in self._plan.pieces:
            if isinstance(piece, bytes):
                yield piece
            elif pixels is not None and _is_pixels(piece):
                yield from self._pixels(piece, pixels, syntax)
            else:
                yield from self._value(piece, self._shelf.open(piece.uri))

    def _open_pixels(self) -> BulkPart | None:
        """The pixels say which syntax the file is in, which stands in front: what lies between is held."""
        before: list[Bulk] = []
        for bulk in _bulk_of(self._plan):
            if _is_pixels(bulk):
                for one in before:
                    self._shelf.hold(one.uri)
                return self._shelf.open(bulk.uri)
            before.append(bulk)
        return None

    def _pixels(self, bulk: Bulk, first: BulkPart, syntax: str) -> Iterator[Chunk]:
        if syntax == compressed.EXPLICIT_LITTLE:
            yield from self._value(bulk, first, expected=self._plan.native_length)
            return
        yield explicit.element_head(bulk.tag, "OB", explicit.UNDEFINED) + _ITEM.pack(0xFFFE, 0xE000, 0)
        if self._plan.number_of_frames < 2 or compressed.is_video(syntax):
            yield from _fragments(first)
        else:
            yield from self._frames(bulk, first, syntax)
        yield _ITEM.pack(0xFFFE, 0xE0DD, 0)

    def _frames(self, bulk: Bulk, first: BulkPart, syntax: str) -> Iterator[Chunk]:
        """A fragment a frame, so that they can be told apart without a table (PS3.5 Annex A.4)."""
        part = first
        for index in range(self._plan.number_of_frames):
            if index:
                part, own = _told(self._shelf.open(bulk.uri, index=index))
                if own != syntax:
                    raise errors.UnsupportedSyntax("The frames of an instance are in one transfer syntax.")
            yield from _fragment(part if part.length is not None else self._shelf.keep(part))

    def _value(self, bulk: Bulk, part: BulkPart, *, expected: int | None = None) -> Iterator[Chunk]:
        length = part.length if part.length is not None else expected
        if length is None or (part.length is None and length % 2):  # it may come padded, or not
            part = self._shelf.keep(part)
            length = part.length or 0
        if length + length % 2 >= explicit.UNDEFINED:
            raise errors.MalformedInstance("A value of more than 4 GiB has no place in a data set.")
        yield explicit.element_head(bulk.tag, bulk.vr, length + length % 2)
        yield from _exactly(part.chunks, length)
        yield b"\0" * (length % 2)


def _told(part: BulkPart) -> tuple[BulkPart, str]:
    """The same part, and the transfer syntax that it is in."""
    chunks = iter(part.chunks)
    head: list[bytes] = []
    while sum(map(len, head)) < compressed.HEAD and (chunk := next(chunks, None)) is not None:
        head.append(bytes(chunk))
    syntax = compressed.syntax_of(part.media_type, b"".join(head))
    return BulkPart(part.media_type, part.location, part.length, chain(head, chunks)), syntax


def _fragment(part: BulkPart) -> Iterator[Chunk]:
    length = part.length or 0
    yield _ITEM.pack(0xFFFE, 0xE000, length + length % 2)
    yield from _exactly(part.chunks, length)
    yield b"\0" * (length % 2)


def _fragments(part: BulkPart) -> Iterator[Chunk]:
    """The one frame, or the one stream of all: a fragment where its length is known, else of as many as it takes."""
    if part.length is not None:
        yield from _fragment(part)
        return
    waiting = bytearray()
    for chunk in part.chunks:
        waiting += chunk
        if len(waiting) > _FRAGMENT:
            yield _ITEM.pack(0xFFFE, 0xE000, _FRAGMENT) + bytes(waiting[:_FRAGMENT])
            del waiting[:_FRAGMENT]
    yield _ITEM.pack(0xFFFE, 0xE000, len(waiting) + len(waiting) % 2) + bytes(waiting) + b"\0" * (len(waiting) % 2)


def _exactly(chunks: Iterable[Chunk], length: int) -> Iterator[Chunk]:
    """The same, neither less nor more; what is too long is not passed on."""
    left = length
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise errors.MalformedInstance(_OTHER_LENGTH)
        yield chunk
    if left:
        raise errors.MalformedInstance(_OTHER_LENGTH)
