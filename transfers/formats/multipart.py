"""Read and write multipart/related bodies (RFC 2387; DICOM PS3.18 Section 8.6.1.2).

Memory is bounded by one incoming chunk plus MAX_HEADER_BYTES, never by the size of a part: octets
leave as views of the chunk they arrived in.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from transfers import errors

# RFC 2046 Section 5.1.1 ends at 70 characters; Orthanc sends 73.
MAX_BOUNDARY = 200
MAX_HEADERS = 16
MAX_HEADER_BYTES = 8192
MAX_PARTS = 100_000

_HEADERS_END = b"\r\n\r\n"
# RFC 2046 Section 5.1.1 allows fewer characters; real clients use others, and none of them is harmful.
_BOUNDARY = re.compile(rb"[\x20-\x7e]{0,199}[\x21-\x7e]")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")


@dataclass(frozen=True, slots=True)
class Part:
    """One body part: headers by lower-case name, and its octets, to be read before the next part."""

    headers: Mapping[str, str]
    chunks: Iterator[memoryview | bytes]


def iter_parts(chunks: Iterator[bytes], *, boundary: bytes) -> Iterator[Part]:
    """Yield each body part as soon as its headers are complete.

    A part left unread is skipped when the next one is asked for; preamble and epilogue are ignored,
    but read to their end, so that the source can compare what came with what was announced.
    Raises MalformedMultipart if the closing delimiter never comes: a cut-off push must not look
    complete. Lines end in CRLF: a lenient reader and a strict one would see different parts.

    References: PS3.18 Section 8.6.1.2; RFC 2046 Section 5.1.1.
    """
    body = _Body(chunks, boundary)
    body.skip_part()
    while not body.at_closing():
        yield Part(headers=body.read_headers(), chunks=body.open_part())
        body.skip_part()
    body.drain()


def part_header(boundary: bytes, *, content_type: str, location: str = "") -> bytes:
    """The delimiter and header fields in front of a part's octets.

    Every delimiter but the first is preceded by the CRLF that belongs to it; an empty line before
    the first one is an empty preamble, so all parts may begin alike (RFC 2046 Section 5.1.1).
    """
    fields = f"Content-Type: {content_type}\r\n"
    if location:
        fields += f"Content-Location: {location}\r\n"
    return b"\r\n--" + boundary + b"\r\n" + fields.encode("ascii") + b"\r\n"


def closing(boundary: bytes) -> bytes:
    """The delimiter that ends a body: without it the receiver must take the answer as cut off."""
    return b"\r\n--" + boundary + b"--\r\n"


class _Body:
    """The place in the body: `data[at:]` is what has arrived and was not yet given away."""

    def __init__(self, chunks: Iterator[bytes], boundary: bytes) -> None:
        if len(boundary) > MAX_BOUNDARY or not _BOUNDARY.fullmatch(boundary):
            raise errors.MalformedMultipart("The boundary of the multipart body is missing or malformed.")
        self.source = iter(chunks)
        self.delimiter = b"\r\n--" + boundary
        self.data = b"\r\n"  # the first delimiter may open the body, without a line before it
        self.at = 0
        self.parts = 0
        self.inside = True  # in the preamble or in a part: before a delimiter, not behind one

    def at_closing(self) -> bool:
        self._need(2)
        return self.data.startswith(b"--", self.at)

    def read_headers(self) -> dict[str, str]:
        """The fields up to the empty line; the rest of the delimiter's own line is padding."""
        limit = MAX_HEADER_BYTES + len(_HEADERS_END)
        while (end := self.data.find(_HEADERS_END, self.at, self.at + limit)) < 0:
            if len(self.data) - self.at >= limit:
                raise errors.MalformedMultipart(
                    "The headers of a body part do not end: they are too long, or their lines do not end in CR LF."
                )
            self._need(len(self.data) - self.at + 1)
        block = self.data[self.at : end].decode("latin-1")
        self.at = end + len(_HEADERS_END)
        return _parse_headers(block)

    def open_part(self) -> Iterator[memoryview | bytes]:
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise errors.MalformedMultipart("The multipart body has too many parts.")
        self.inside = True
        # In a part without octets the empty line is the beginning of the next delimiter.
        self.at -= 2
        self._need(len(self.delimiter))
        if not self.data.startswith(self.delimiter, self.at):
            self.at += 2
        return self._octets(self.parts)

    def skip_part(self) -> None:
        if self.inside:
            for _ in self._octets(self.parts):
                pass

    def drain(self) -> None:
        self.data = b""
        for _ in self.source:
            pass

    def _octets(self, ordinal: int) -> Iterator[memoryview | bytes]:
        while self.inside:
            if ordinal != self.parts:
                raise RuntimeError("a body part was read after the next one was asked for")
            data, at = self.data, self.at
            end = data.find(self.delimiter, at)
            if end >= 0:
                self.at = end + len(self.delimiter)
                self.inside = False
            else:
                self.at = end = len(data) - self._held_back()
            if end > at:
                yield memoryview(data)[at:end]
            elif self.inside:
                self._read_on()

    def _held_back(self) -> int:
        """How many octets at the end of the data may be the beginning of a delimiter.

        A delimiter holds one CR, its first octet: only what follows the last CR can become one.
        """
        start = self.data.rfind(b"\r", max(self.at, len(self.data) - len(self.delimiter) + 1))
        if start >= 0 and self.delimiter.startswith(self.data[start:]):
            return len(self.data) - start
        return 0

    def _need(self, count: int) -> None:
        while len(self.data) - self.at < count:
            self._read_on()

    def _read_on(self) -> None:
        chunk = next(self.source, None)
        if chunk is None:
            raise errors.MalformedMultipart
        rest = self.data[self.at :]
        self.data = rest + chunk if rest else chunk
        self.at = 0


def _parse_headers(block: str) -> dict[str, str]:
    padding, *lines = block.split("\r\n")
    if padding.strip(" \t"):
        raise errors.MalformedMultipart("A delimiter of the multipart body is followed by other text.")
    headers: dict[str, str] = {}
    for line in _unfold(lines):
        field = _HEADER.fullmatch(line)
        if field is None or field[1].lower() in headers or len(headers) == MAX_HEADERS:
            raise errors.MalformedMultipart("The headers of a body part cannot be read.")
        headers[field[1].lower()] = field[2].rstrip(" \t")
    return headers


def _unfold(lines: list[str]) -> list[str]:
    """Join continuation lines to the field they belong to (RFC 5322 Section 2.2.3)."""
    unfolded: list[str] = []
    for line in lines:
        if unfolded and line[:1] in (" ", "\t"):
            unfolded[-1] += line
        else:
            unfolded.append(line)
    return unfolded
