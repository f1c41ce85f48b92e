"""The bulk data parts of a Store request, found by what the metadata call them (DICOM PS3.18 Section 10.5.2).

A part is handed on while it arrives where it is the next one that is needed; what comes before its turn, or is named
more than once, is held in memory up to MAX_HELD.
"""

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from transfers import errors
from transfers.formats import compressed
from transfers.formats.mediatypes import TRANSFER_SYNTAX, MediaType

MAX_HELD: Final = 64 << 20
_FRAME: Final = re.compile(r"(?:/frames)?/[0-9]{1,9}")
_TWICE: Final = "Two parts of the body have the same Content-Location."
_TOO_EARLY: Final = "Bulk data came before their turn, or share a URI, and are too large to hold. Send them in order."

Chunk = bytes | memoryview


@dataclass(frozen=True, slots=True)
class BulkPart:
    """One part: its type, its Content-Location or Content-ID as they were sent, and the length it announces."""

    media_type: MediaType
    location: str
    length: int | None
    chunks: Iterable[Chunk]


class Shelf:
    """Parts by the URI that names them; a relative one is resolved against `base`, the URL of the request."""

    def __init__(self, parts: Iterator[BulkPart], *, base: str) -> None:
        self.unnamed = 0  # parts that nothing refers to
        self._parts, self._base = parts, base
        self._wanted: dict[str, int] = defaultdict(int)  # how often it is still to be opened
        self._expected: dict[str, int] = {}  # how many parts it comes in
        self._arrived: dict[str, int] = defaultdict(int)
        self._held: dict[str, deque[BulkPart]] = defaultdict(deque)
        self._lost: set[str] = set()
        self._bytes = 0

    def expect(self, uri: str, *, parts: int = 1) -> None:
        """Something refers to this URI; pixel data of several frames may come in several parts."""
        name = self._resolved(uri)
        self._wanted[name] += 1
        self._expected[name] = max(self._expected.get(name, 1), parts)

    def forget(self, uri: str) -> None:
        """What refers to it needs it no longer."""
        name = self._resolved(uri)
        self._wanted[name] -= 1
        if self._wanted[name] <= 0:
            for part in self._held.pop(name, ()):
                self._bytes -= part.length or 0

    def hold(self, uri: str) -> None:
        """Read on until this one is here; raises MissingBulkData, InstanceRefused where it is too large."""
        name = self._resolved(uri)
        while not self._held[name]:
            part = self._next(name)
            if part is not None and not self._keep(name, part):
                raise errors.InstanceRefused(_TOO_EARLY)

    def open(self, uri: str, *, index: int = 0) -> BulkPart:
        """The part of this URI, or one of its parts counted from 0: to be read before anything else is asked for.

        Raises MissingBulkData where the body ends without it.
        """
        name = self._resolved(uri)
        while len(self._held[name]) <= index:
            part = self._next(name)
            if part is None:
                continue
            if self._wanted[name] == 1 and self._arrived[name] == index + 1:
                return part
            if not self._keep(name, part):
                raise errors.InstanceRefused(_TOO_EARLY)
        return self._held[name][index]

    def keep(self, part: BulkPart) -> BulkPart:
        """The same part, read to its end, so that its length is known."""
        octets = self._read(part)
        if octets is None:
            raise errors.InstanceRefused("Send a Content-Length with large bulk data.")
        return BulkPart(part.media_type, part.location, len(octets), [octets])

    def finish(self) -> None:
        """Read the body to its end, so that one that is cut off is found to be."""
        while (part := next(self._parts, None)) is not None:
            self._note(part)

    def _next(self, wanted: str) -> BulkPart | None:
        """The next part if it is the one that is wanted; any other is kept for its turn."""
        if wanted in self._lost:
            raise errors.InstanceRefused(_TOO_EARLY)
        part = next(self._parts, None)
        if part is None:
            raise errors.MissingBulkData
        name = self._note(part)
        if name == wanted:
            return part
        if name and self._wanted[name] > 0 and not self._keep(name, part):
            self._lost.add(name)
        return None

    def _note(self, part: BulkPart) -> str:
        """What the part is called; raises BadRequest for one that came already."""
        name = self._named(part.location)
        if not name:
            self.unnamed += 1
            return ""
        self._arrived[name] += 1
        if part.media_type.essence == compressed.OCTETS and TRANSFER_SYNTAX not in part.media_type.params:
            self._expected[name] = 1  # uncompressed, and so all frames at once
        if self._arrived[name] > self._expected[name]:
            raise errors.BadRequest(_TWICE)
        return name

    def _named(self, location: str) -> str:
        name = self._resolved(location)
        if name in self._expected:
            return name
        # The parts of a compressed value may be named after its frames.
        whole = _FRAME.sub("", name[-20:])
        shortened = name[:-20] + whole
        return shortened if self._expected.get(shortened, 1) > 1 else ""

    def _keep(self, name: str, part: BulkPart) -> bool:
        octets = self._read(part)
        if octets is None:
            return False
        self._bytes += len(octets)
        self._held[name].append(BulkPart(part.media_type, part.location, len(octets), [octets]))
        return True

    def _read(self, part: BulkPart) -> bytes | None:
        """The octets of a part; None for more than may be held."""
        octets = bytearray()
        for chunk in part.chunks:
            octets += chunk
            if self._bytes + len(octets) > MAX_HELD:
                return None
        return bytes(octets)

    def _resolved(self, uri: str) -> str:
        """RFC 3986 Section 5; the same text is the same name even where it is no URI."""
        try:
            return urljoin(self._base, uri.strip())
        except ValueError:
            return uri.strip()
