"""The malware scanner, if one is set up: clamd, spoken to with INSTREAM while an object is re-read.

Fail-closed: a scanner that was asked for and does not answer raises ScannerUnavailable, and nothing passes.
An object longer than clamd's StreamMaxLength is not answered, so that limit must be at least the longest
object that is to be received.
"""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from transfers import errors

SECONDS: Final = 60.0
_LENGTH = struct.Struct(">I")
_MAX_ANSWER: Final = 4096


class Scan:
    """One object on its way to the scanner; without one, nothing is found."""

    def __init__(self, connection: socket.socket | None) -> None:
        self._connection = connection

    def feed(self, chunk: bytes) -> None:
        if self._connection is not None and chunk:
            self._connection.sendall(_LENGTH.pack(len(chunk)))
            self._connection.sendall(chunk)

    def is_infected(self) -> bool:
        """End the stream and hear the verdict."""
        if self._connection is None:
            return False
        self._connection.sendall(_LENGTH.pack(0))
        answer = b""
        while not answer.endswith(b"\0") and len(answer) < _MAX_ANSWER:
            piece = self._connection.recv(_MAX_ANSWER)
            if not piece:
                break
            answer += piece
        verdict = answer.rstrip(b"\0\n")
        if verdict.endswith(b" FOUND"):
            return True
        if verdict != b"stream: OK":
            raise errors.ScannerUnavailable
        return False


def is_set_up() -> bool:
    return bool(settings.CLAMD_URL)


@contextmanager
def scan() -> Iterator[Scan]:
    """Open a stream to the scanner; every failure on the way is ScannerUnavailable."""
    if not is_set_up():
        yield Scan(None)
        return
    try:
        with _connect(settings.CLAMD_URL) as connection:
            connection.sendall(b"zINSTREAM\0")
            yield Scan(connection)
    except OSError as error:
        raise errors.ScannerUnavailable from error


def _connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(SECONDS)
        connection.connect(parts.path)
        return connection
    if parts.scheme == "tcp" and parts.hostname:
        return socket.create_connection((parts.hostname, parts.port or 3310), timeout=SECONDS)
    raise errors.ScannerUnavailable("CLAMD_URL must be tcp://host:port or unix:///path.")
