"""HTTP/1.1 by hand: what no client library would send, and what came back to the last byte."""

import http.client
import json
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.faults import sending
from tests.faults.sending import Answer, File
from tests.faults.tree import Tree

PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """A web server that runs on the data of a tree."""

    name: str
    port: int
    behind: Tree
    pid: int
    log: Path

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        return self.behind.sites["st-elsewhere"].store_key

    @property
    def read_key(self) -> str:
        return self.behind.sites["general-hospital"].read_key

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def is_ready(self) -> bool:
        try:
            with self.connect() as wire:
                return speak(wire, [b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"]).status == 200
        except OSError:
            return False

    def leases(self) -> int:
        return int(self.behind.rows("SELECT count(*) FROM transfers_lease")[0][0])

    def kept(self, files: Sequence[File]) -> set[str]:
        """Which of them have a row, with the digest that was sent."""
        digests = {file.sop_instance_uid: file.sha256 for file in files}
        rows = self.behind.rows(
            "SELECT sop_instance_uid, encode(sha256, 'hex') FROM transfers_instance WHERE sop_instance_uid = ANY(%s)",
            list(digests),
        )
        assert all(digests[uid] == digest for uid, digest in rows)
        return {uid for uid, _ in rows}


@dataclass(frozen=True, slots=True)
class Response:
    """One answer as it came; status 0 where the connection was closed without one."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    is_whole: bool = True

    @property
    def store(self) -> Answer:
        return Answer(self.status, json.loads(self.body), self.headers.get("location", ""))


def head(path: str, *lines: str, key: str = "", method: str = "POST") -> bytes:
    """A request up to its empty line."""
    credential = [f"Authorization: Bearer {key}"] if key else []
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *credential, *lines, "", ""]).encode()


def chunk(piece: bytes) -> bytes:
    return f"{len(piece):x}\r\n".encode() + piece + b"\r\n"


def chunked(pieces: Iterable[bytes], *, terminal: bool = True) -> Iterable[bytes]:
    """RFC 9112 Section 7.1, with or without the chunk that ends it."""
    for piece in pieces:
        yield chunk(piece)
    if terminal:
        yield b"0\r\n\r\n"


def speak(wire: socket.socket, pieces: Iterable[bytes], *, half_close: bool = False) -> Response:
    """Send, then read one answer; a server that stops listening in between is heard all the same."""
    try:
        for piece in pieces:
            wire.sendall(piece)
        if half_close:
            wire.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return hear(wire)


def hear(wire: socket.socket, *, method: str = "POST") -> Response:
    response = http.client.HTTPResponse(wire, method=method)
    try:
        response.begin()
    except (ConnectionError, http.client.HTTPException):
        return Response(0)
    headers = {name.lower(): value for name, value in response.getheaders()}
    try:
        return Response(response.status, headers, response.read())
    except http.client.IncompleteRead as cut:
        return Response(response.status, headers, cut.partial, is_whole=False)
    except ConnectionError:
        return Response(response.status, headers, is_whole=False)
    finally:
        response.close()


def ends(wire: socket.socket) -> bytes:
    """What else comes until the server closes."""
    rest, end = b"", time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            piece = wire.recv(65536)
        except ConnectionResetError:
            break
        if not piece:
            break
        rest += piece
    return rest


STORE: Final = f"Content-Type: {sending.MULTIPART}"
