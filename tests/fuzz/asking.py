"""One generated request over a connection of its own, as the octets it was made of, and what is wrong with the answer.

Everything is bounded by one deadline, from connecting to the last octet: a server that dribbles hangs too.
"""

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.fuzz.grammar import Request

DEADLINE: Final = 30.0
_PIECE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Answer:
    """What came; `flaw` says what is wrong with how it came, status 0 that nothing did."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    flaw: str = ""


def ask(port: int, request: Request, *, key: str, deadline: float = DEADLINE) -> Answer:
    """Send a request to this machine and read its answer to the end."""
    began = time.monotonic()
    status, headers, body, flaw = 0, {}, b"", ""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=deadline) as wire:
            _send(wire, encoded(request, key=key))
            response = http.client.HTTPResponse(wire, method=request.method)
            response.begin()
            status, headers = response.status, {name.lower(): value for name, value in response.getheaders()}
            while piece := response.read1(_PIECE):
                body += piece
                wire.settimeout(max(0.001, began + deadline - time.monotonic()))
            if response.length:
                flaw = f"cut off: {response.length} octets fewer came than were announced"
    except TimeoutError:
        flaw = f"no whole answer within {deadline:.0f} s"
    except http.client.IncompleteRead:
        flaw = "cut off: the last chunk never came"
    except (OSError, http.client.HTTPException) as error:
        flaw = f"{type(error).__name__} instead of an answer"
    return Answer(status, headers, body, time.monotonic() - began, flaw)


def encoded(request: Request, *, key: str) -> bytes:
    """The request as octets; what would end a header early is left out of it."""
    lines = [f"{request.method} {request.target} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {key}"]
    lines += [f"{name}: {_one_line(value)}" for name, value in request.headers]
    lines += ["Connection: close", *([f"Content-Length: {len(request.body)}"] if _has_body(request) else []), "", ""]
    return "\r\n".join(lines).encode("latin-1") + request.body


def complaints(request: Request, answer: Answer) -> list[str]:
    """What no answer to any request may be: a failure of ours, or an error that does not say what it is."""
    if answer.status >= 500:
        return [f"{answer.status}: {answer.body[:300]!r}"]
    if "x-injected" in answer.headers:
        return ["a header of the answer came from a value of the request"]
    # The server in front answers what is no HTTP before it reaches us, and knows no problem details.
    if answer.status < 400 or request.method == "HEAD" or "content-security-policy" not in answer.headers:
        return []
    media_type = answer.headers.get("content-type", "")
    if media_type == "application/problem+json":
        details = json.loads(answer.body)
        return [] if details["status"] == answer.status and details["detail"] else [f"says nothing: {details}"]
    is_store = request.method == "POST" and media_type in ("application/dicom+json", "application/dicom+xml")
    return [] if is_store else [f"{answer.status} as {media_type}: {answer.body[:100]!r}"]


def _has_body(request: Request) -> bool:
    return bool(request.body) or request.method in ("POST", "PUT", "PATCH")


def _one_line(value: str) -> str:
    return "".join(letter for letter in value if letter >= " " and letter != "\x7f")


def _send(wire: socket.socket, octets: bytes) -> None:
    """A server may answer, and stop listening, before it has read a body that it refuses."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        wire.sendall(octets)
