"""What a parser might do that was taken over by what it read: run in the sandbox by tests."""

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from transfers.sandbox import describing
from transfers.sandbox.child import Header

DIE = b"Die^Now!"


def handle(header: Header, body: bytes) -> tuple[Header, bytes]:
    """Do what `task` says; anything else is described as usual, unless it holds DIE."""
    task = header["task"]
    if DIE in body:
        os._exit(1)
    if task in _TRICKS:
        return {"answer": _TRICKS[task](header.get("of", ""))}, b""
    if task == "pour":
        return {}, bytes(header["octets"])
    return describing.handle(header, body)


def _say_error(act: Callable[[], object]) -> str:
    try:
        act()
    except OSError as error:
        return type(error).__name__
    return ""


def _sleep(_: str) -> str:
    time.sleep(600)
    return ""


def _spin(_: str) -> str:
    while True:
        pass


def _eat(_: str) -> str:
    return str(len([bytes(1 << 28) for _ in range(16)]))


_TRICKS: dict[str, Callable[[str], str]] = {
    "pid": lambda _: str(os.getpid()),
    "environment": lambda name: os.environ.get(name, ""),
    "read": lambda path: _say_error(lambda: Path(path).read_bytes()),
    "write": lambda path: _say_error(lambda: Path(path).write_bytes(b"x")),
    "connect": lambda port: _say_error(lambda: socket.create_connection(("127.0.0.1", int(port)), timeout=5)),
    "run": lambda path: _say_error(lambda: subprocess.run([path], check=False)),
    "kill": lambda pid: _say_error(lambda: os.kill(int(pid), 0)),
    "sleep": _sleep,
    "spin": _spin,
    "eat": _eat,
    "raise": lambda text: str(int(text)),
}
