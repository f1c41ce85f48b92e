"""Find one value in a stored data set without reading the others (DICOM PS3.5 Section 7).

Only heads of elements are read; values are stepped over. Nothing recurses, and a length that leads nowhere ends
the search.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from transfers import errors
from transfers.formats import explicit

_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
MAX_STEPS: Final = 5_000_000

ReadAt = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Value:
    """Where a value lies; `width` is that of its words where they must be turned round, else 1."""

    start: int
    stop: int
    vr: str
    width: int


@dataclass(frozen=True, slots=True)
class _Head:
    tag: int
    vr: str
    start: int
    length: int


def find(read_at: ReadAt, path: Sequence[int], *, start: int, stop: int, is_implicit: bool, is_big: bool) -> Value:
    """The value at a path: tags with the numbers of items between them, from 0.

    Raises NotFound where there is none, MalformedInstance where the data set cannot be read that far.
    """
    walk = _Walk(read_at, is_implicit=is_implicit, is_big=is_big)
    for at in range(0, len(path) - 2, 2):
        sequence = walk.element(path[at], start, stop)
        start, stop = walk.item(path[at + 1], sequence, stop)
    found = walk.element(path[-1], start, stop)
    if found.length == explicit.UNDEFINED:
        raise errors.NotFound
    width = explicit.word_width(found.vr) if is_big else 1
    return Value(found.start, found.start + found.length, found.vr, width)


@dataclass(frozen=True, slots=True)
class Element:
    """An element of a data set: where its head begins, where its value lies."""

    tag: int
    vr: str
    at: int
    start: int
    stop: int


def elements(data: bytes, *, is_implicit: bool, is_big: bool) -> Iterator[Element]:
    """The elements of a data set that is at hand, not those inside them; raises MalformedInstance."""
    walk = _Walk(lambda at, length: data[at : at + length], is_implicit=is_implicit, is_big=is_big)
    yield from walk.elements(0, len(data))


class _Walk:
    def __init__(self, read_at: ReadAt, *, is_implicit: bool, is_big: bool) -> None:
        self._read_at, self._implicit = read_at, is_implicit
        order = ">" if is_big else "<"
        self._tag, self._short, self._long = (struct.Struct(order + code) for code in ("HH", "H", "I"))
        self._steps = 0

    def elements(self, start: int, stop: int) -> Iterator[Element]:
        while start < stop:
            head = self._head(start)
            end = self._end(head)
            if end > stop:
                raise errors.MalformedInstance
            yield Element(head.tag, head.vr, start, head.start, end)
            start = end

    def element(self, tag: int, start: int, stop: int) -> _Head:
        """The element of a data set; tags ascend, so a greater one ends the search."""
        while start < stop:
            head = self._head(start)
            if head.tag == tag:
                return head
            if head.tag > tag:
                break
            start = self._end(head)
        raise errors.NotFound

    def item(self, number: int, sequence: _Head, stop: int) -> tuple[int, int]:
        """Where an item of a sequence begins and ends; one of unknown length ends where its sequence must."""
        at = sequence.start
        end = stop if sequence.length == explicit.UNDEFINED else sequence.start + sequence.length
        while at < end:
            head = self._head(at)
            if head.tag != _ITEM:
                break
            if not number:
                return head.start, end if head.length == explicit.UNDEFINED else head.start + head.length
            number -= 1
            at = self._end(head)
        raise errors.NotFound

    def _end(self, head: _Head) -> int:
        """Behind an element or item, however deep what it holds."""
        if head.length != explicit.UNDEFINED:
            return head.start + head.length
        at, depth = head.start, 1
        while depth:
            inner = self._head(at)
            at = inner.start
            if inner.tag in (_ITEM_END, _SEQUENCE_END):
                depth -= 1
            elif inner.length == explicit.UNDEFINED:
                depth += 1
            else:
                at += inner.length
        return at

    def _head(self, at: int) -> _Head:
        self._steps += 1
        octets = self._read_at(at, 12)
        if len(octets) < 8 or self._steps > MAX_STEPS:
            raise errors.MalformedInstance
        group, number = self._tag.unpack_from(octets)
        tag = int(group) << 16 | int(number)
        if self._implicit or group == 0xFFFE:
            return _Head(tag, explicit.public_vr(tag), at + 8, self._long.unpack_from(octets, 4)[0])
        vr = octets[4:6].decode("latin-1")
        if not explicit.is_long(vr):
            return _Head(tag, vr, at + 8, self._short.unpack_from(octets, 6)[0])
        if len(octets) < 12:
            raise errors.MalformedInstance
        return _Head(tag, vr, at + 12, self._long.unpack_from(octets, 8)[0])
