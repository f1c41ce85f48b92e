"""Inflate a deflated data set piece by piece (DICOM PS3.5 Annex A.5; RFC 1951).

A megabyte of deflate can hold a gigabyte of nothing, so output is asked for in small pieces and its
size is compared with what came in.
"""

import zlib
from collections.abc import Iterator

from transfers import errors

PIECE = 1 << 16
FREE = 16 << 20  # any ratio is fine as long as the whole stays this small
MAX_RATIO = 100
MAX_TOTAL = 2 << 30
MAX_TRAILING = 9


class Inflater:
    """Raw deflate in, bounded pieces out."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._came = 0
        self._gave = 0
        self._trailing = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what the chunk inflates to; raises UnsafeInstance as soon as it is a bomb."""
        self._came += len(chunk)
        if self._stream.eof:
            self._check_trailing(chunk)
            return
        while True:
            try:
                piece = self._stream.decompress(chunk, PIECE)
            except zlib.error:
                raise errors.MalformedInstance("The deflated data set cannot be inflated.") from None
            self._gave += len(piece)
            if self._gave > min(MAX_TOTAL, max(FREE, MAX_RATIO * self._came)):
                raise errors.UnsafeInstance("The data set inflates to far more than it should.")
            if piece:
                yield piece
            chunk = self._stream.unconsumed_tail
            if self._stream.eof or (not chunk and len(piece) < PIECE):
                break
        self._check_trailing(self._stream.unused_data)

    def finish(self) -> None:
        if not self._stream.eof:
            raise errors.TruncatedInstance

    def _check_trailing(self, octets: bytes) -> None:
        """Old writers left the trailer of gzip behind, and a zero makes the length even (PS3.5 Annex A.5)."""
        self._trailing += len(octets)
        if self._trailing > MAX_TRAILING:
            raise errors.MalformedInstance("Octets follow the end of the deflated data set.")
