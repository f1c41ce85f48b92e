"""A request body as chunks, read from the server itself: Django sees a chunked body as empty.

A cut-off body reads as a normal end on every WSGI server, so what was read is compared with what was announced;
a multipart body must besides have its closing delimiter.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Any, Final

from django.http import HttpRequest

from exchange import watchdog
from transfers import errors

CHUNK: Final = 262_144
# A server may give a read back only when all of it is there. Of a slow sender little is asked at a time, so that
# its push shows signs of life; exchange/watchdog.py ends a read that waits for ever.
FIRST: Final = 65_536
QUICK_SECONDS: Final = 1.0


class TooSlow(errors.BadRequest):
    sentence = "The body came slower than 1 KB/s for a minute. What was whole is kept; send the rest again."


def ensure_plain(request: HttpRequest) -> None:
    """Raise UnsupportedMediaType for a body in a content coding (RFC 9110 Section 15.5.16): none is decoded here."""
    coding = request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if coding not in ("", "identity"):
        raise errors.UnsupportedMediaType("Send the body as it is: compressed bodies (Content-Encoding) are not taken.")


def content_length(request: HttpRequest) -> int | None:
    """The announced length, None for a chunked body.

    Raises BadRequest where both are given (RFC 9112 Section 6.1: a smuggled request looks like this).
    """
    ensure_plain(request)
    is_chunked = bool(request.META.get("HTTP_TRANSFER_ENCODING", ""))
    text = request.META.get("CONTENT_LENGTH", "")
    if is_chunked and text:
        raise errors.BadRequest("A request with both Content-Length and Transfer-Encoding is refused.")
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise errors.BadRequest("The Content-Length is not a number.")
    return int(text)


def read_chunks(request: HttpRequest) -> Iterator[bytes]:
    """The body in chunks of at most 256 KiB, to its end; raises BadRequest if it ends early or comes too slowly."""
    announced = content_length(request)
    source = request.META["wsgi.input"]
    watch = _Watch()
    total = 0
    while announced is None or total < announced:
        wanted = watch.size if announced is None else min(watch.size, announced - total)
        try:
            chunk: bytes = source.read(wanted)
        except Exception as error:  # each server has errors of its own for a body that breaks off
            yield from _held_back(source, wanted)
            raise errors.BadRequest("The body was cut off.") from error
        if not chunk:
            break
        total += len(chunk)
        watch.note(len(chunk))
        yield chunk
    if announced is not None and total != announced:
        raise errors.BadRequest("The body was cut off: fewer bytes came than its Content-Length.")


def _held_back(source: Any, size: int) -> Iterator[bytes]:  # Any: as in PEP 3333
    """What came before the break: gunicorn keeps it, and gives it when asked once more."""
    chunk = b""
    with contextlib.suppress(Exception):
        chunk = source.read(size)
    if chunk:
        yield chunk


class _Watch:
    """Bytes that came in the running minute, and how many to ask for next."""

    def __init__(self) -> None:
        self._since = self._asked = time.monotonic()
        self._bytes = 0
        self.size = FIRST

    def note(self, length: int) -> None:
        self._bytes += length
        now = time.monotonic()
        self.size = CHUNK if now - self._asked < QUICK_SECONDS else FIRST
        self._asked = now
        if now - self._since < watchdog.SECONDS:
            return
        if self._bytes < watchdog.BYTES:
            raise TooSlow
        self._since, self._bytes = now, 0
