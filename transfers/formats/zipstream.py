"""A ZIP archive whose every octet has its place before the first is read (PKWARE APPNOTE 4.3, 4.5).

Entries are stored, not deflated: names, sizes and CRCs are known from ingest, so the length is known,
any range can be answered, and a download that broke off goes on where it stopped. ZIP64 fields are
written where a size, an offset or the count needs them, and only there.
"""

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from transfers import errors

_FULL32, _FULL16 = 0xFFFFFFFF, 0xFFFF
_UTF8 = 0x0800
_VERSION, _VERSION_ZIP64 = 20, 45
_UNIX = 3 << 8
_REGULAR_FILE = 0o100644 << 16
_LOCAL, _CENTRAL = struct.Struct("<4s5H3L2H"), struct.Struct("<4s6H3L5H2L")
_END, _END64, _LOCATOR = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")

Piece = bytes | tuple[int, int, int]
Open = Callable[[int, int, int], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the archive; `modified` is written as it stands, ZIP knows no time zones."""

    name: str
    size: int
    crc32: int
    modified: datetime


class Archive:
    """The layout of an archive. Equal entries give equal octets."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = tuple(entries)
        self._names = [_checked_name(entry.name) for entry in self.entries]
        if len(set(self._names)) != len(self._names):
            raise ValueError("two entries of an archive have one name")
        self._starts: list[int] = []
        at = 0
        for entry, name in zip(self.entries, self._names, strict=True):
            self._starts.append(at)
            at += _LOCAL.size + len(name) + (20 if _is_large(entry) else 0) + entry.size
        self._directory_start = at
        self._directory_end = at + sum(len(self._central(index)) for index in range(len(self.entries)))
        self.size = self._directory_end + len(self._trailer())

    def pieces(self, start: int = 0, stop: int | None = None) -> Iterator[Piece]:
        """What makes up the octets from start to stop: literals, and (entry, from, to) of its content."""
        stop = self.size if stop is None else stop
        if not 0 <= start <= stop <= self.size:
            raise errors.RangeNotSatisfiable(self.size)
        at = self._directory_start
        if start < at:
            yield from self._content_pieces(start, min(stop, at))
        for index in range(len(self.entries)):
            if at >= stop:
                return
            literal = self._central(index)
            if at + len(literal) > start:
                yield literal[max(0, start - at) : stop - at]
            at += len(literal)
        literal = self._trailer()[max(0, start - at) : max(0, stop - at)]
        if literal:
            yield literal

    def iter_bytes(self, open_entry: Open, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The octets from start to stop; `open_entry(index, from, to)` gives those of an entry.

        Raises Integrity where an entry gives another number of octets than its size announced.
        """
        for piece in self.pieces(start, stop):
            if isinstance(piece, bytes):
                yield piece
            else:
                yield from _exactly(open_entry(*piece), piece[2] - piece[1])

    def _content_pieces(self, start: int, stop: int) -> Iterator[Piece]:
        for index in range(max(0, bisect_right(self._starts, start) - 1), len(self.entries)):
            at = self._starts[index]
            if at >= stop:
                return
            head = self._local(index)
            if start < at + len(head):
                yield head[max(0, start - at) : stop - at]
            at += len(head)
            first, last = max(0, start - at), min(self.entries[index].size, stop - at)
            if first < last:
                yield index, first, last

    def _local(self, index: int) -> bytes:
        """APPNOTE 4.3.7; in a local header the ZIP64 field must hold both sizes (4.5.3)."""
        entry, name = self.entries[index], self._names[index]
        large = _is_large(entry)
        extra = struct.pack("<2H2Q", 1, 16, entry.size, entry.size) if large else b""
        size = _FULL32 if large else entry.size
        time, date = _dos_time(entry.modified)
        version = _VERSION_ZIP64 if large else _VERSION
        head = (b"PK\x03\x04", version, _UTF8, 0, time, date, entry.crc32, size, size, len(name), len(extra))
        return _LOCAL.pack(*head) + name + extra

    def _central(self, index: int) -> bytes:
        """APPNOTE 4.3.12; only the values that do not fit go into the ZIP64 field (4.5.3)."""
        entry, name, start = self.entries[index], self._names[index], self._starts[index]
        size = _FULL32 if _is_large(entry) else entry.size
        wide = [entry.size, entry.size] if _is_large(entry) else []
        wide += [start] if start >= _FULL32 else []
        extra = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        version = _VERSION_ZIP64 if wide else _VERSION
        head = (b"PK\x01\x02", _UNIX | version, version, _UTF8, 0, *_dos_time(entry.modified), entry.crc32)
        tail = (size, size, len(name), len(extra), 0, 0, 0, _REGULAR_FILE, min(start, _FULL32))
        return _CENTRAL.pack(*head, *tail) + name + extra

    def _trailer(self) -> bytes:
        """The ends of the directory (APPNOTE 4.3.14 to 4.3.16)."""
        count, start = len(self.entries), self._directory_start
        size = self._directory_end - start
        end = b""
        if count >= _FULL16 or start >= _FULL32 or size >= _FULL32:
            versions = (_UNIX | _VERSION_ZIP64, _VERSION_ZIP64)
            end = _END64.pack(b"PK\x06\x06", _END64.size - 12, *versions, 0, 0, count, count, size, start)
            end += _LOCATOR.pack(b"PK\x06\x07", 0, self._directory_end, 1)
        count, size, start = min(count, _FULL16), min(size, _FULL32), min(start, _FULL32)
        return end + _END.pack(b"PK\x05\x06", 0, 0, count, count, size, start, 0)


def _is_large(entry: Entry) -> bool:
    return entry.size >= _FULL32


def _checked_name(name: str) -> bytes:
    """A relative path that no unpacker can be led astray with (APPNOTE 4.4.17)."""
    encoded = name.encode("utf-8")
    parts = name.split("/")
    if len(encoded) > _FULL16 or any(part in ("", ".", "..") for part in parts):
        raise ValueError("the name of an entry is no relative path")
    if "\\" in name or ":" in parts[0] or not name.isprintable():
        raise ValueError("the name of an entry holds characters that unpackers disagree on")
    return encoded


def _dos_time(moment: datetime) -> tuple[int, int]:
    """Time and date in two seconds and days since 1980, as FAT has them (APPNOTE 4.4.6)."""
    year = min(max(moment.year, 1980), 2107)
    date = (year - 1980) << 9 | moment.month << 5 | moment.day
    return moment.hour << 11 | moment.minute << 5 | moment.second // 2, date


def _exactly(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        size -= len(chunk)
        if size < 0:
            raise errors.Integrity
        yield chunk
    if size:
        raise errors.Integrity
