"""The process in which untrusted data are read: it serves one module's `handle`, one request after the other.

Started by transfers/sandbox/workers.py with an empty environment. It holds no key, no database and no
network; what it answers is believed as little as what it was given. A request and a reply are each two
lengths (32 and 64 bits), a JSON header and a body.
"""

import importlib
import json
import os
import struct
import sys
from collections.abc import Callable
from typing import Any, Final

from transfers.sandbox import limits

LENGTHS: Final = struct.Struct(">IQ")
Header = dict[str, Any]  # Any: whatever JSON can hold
Handler = Callable[[Header, bytes], tuple[Header, bytes]]


def main(module: str, parent: str) -> None:
    """Give up what is not needed, say so, and answer until the pipe closes."""
    got = limits.enter(int(parent))
    handle: Handler = importlib.import_module(module).handle
    got += limits.close()
    _write({"isolation": got}, b"")
    while (request := _read()) is not None:
        header, body = request
        limits.allow_cpu(header["seconds"])
        _write(*_answer(handle, header, body))


def _answer(handle: Handler, header: Header, body: bytes) -> tuple[Header, bytes]:
    """Only the kind of an error leaves: its text may hold what was read."""
    try:
        return handle(header, body)
    except MemoryError:
        os._exit(3)  # what is left of the heap is no place to go on from
    except Exception as error:
        return {"error": type(error).__name__}, b""


def _read() -> tuple[Header, bytes] | None:
    start = _take(LENGTHS.size)
    if start is None:
        return None
    header_length, body_length = LENGTHS.unpack(start)
    header, body = _take(header_length), _take(body_length)
    if header is None or body is None:
        return None
    return json.loads(header), body


def _take(length: int) -> bytes | None:
    taken = sys.stdin.buffer.read(length)
    return taken if len(taken) == length else None


def _write(header: Header, body: bytes) -> None:
    text = json.dumps(header).encode()
    sys.stdout.buffer.write(LENGTHS.pack(len(text), len(body)) + text)
    sys.stdout.buffer.write(body)
    sys.stdout.buffer.flush()
