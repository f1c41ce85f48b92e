"""End requests whose body comes slower than 1 KB/s over a minute: each holds a thread that others wait for.

On granian `read(n)` waits outside Python until n bytes or the end are there, on gunicorn in a blocking `recv`, and
neither tells which connection it reads from. So a thread of its own looks for reads that have waited for long, and
only then at what the kernel counts for this process's own connections (TCP_INFO). Of those that brought too little
in a minute, and have nothing left to send, the receiving side is shut: the read returns, short, and whoever asked
for the body sees that it was cut off. An idle connection that happens to be among them is closed as well, which
HTTP allows at any time. Linux only; elsewhere, and behind a UNIX socket, the proxy's own time limits must do.
"""

import contextlib
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SECONDS: Final = 60.0
BYTES: Final = 60_000
LOOK_EVERY: Final = 5.0

_TCP_INFO: Final = 11
# struct tcp_info: state, unacknowledged segments, bytes acknowledged and received, bytes not sent (Linux 4.6).
_FACTS: Final = struct.Struct("=B23xI92xQQ8xI")
_ESTABLISHED: Final = 1

Environ = dict[str, Any]  # Any: PEP 3333
Application = Callable[[Environ, Any], Iterable[bytes]]


class Watched:
    """A `wsgi.input` that shows since when somebody waits for it."""

    def __init__(self, source: Any, reading: "set[Watched]") -> None:  # Any: PEP 3333 names the methods only
        self._source = source
        self._reading = reading
        self.since = 0.0

    def read(self, size: int = -1) -> bytes:
        self.since = time.monotonic()
        self._reading.add(self)
        try:
            return self._source.read(size)  # type: ignore[no-any-return]
        finally:
            self._reading.discard(self)

    def readline(self, size: int = -1) -> bytes:
        self.since = time.monotonic()
        self._reading.add(self)
        try:
            return self._source.readline(size)  # type: ignore[no-any-return]
        finally:
            self._reading.discard(self)

    def readlines(self, hint: int = -1) -> list[bytes]:
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")


@dataclass(slots=True)
class Counted:
    """What a connection had brought and taken when its minute began."""

    since: float
    received: int
    sent: int


class Watchdog:
    """Looks after the bodies that one process reads."""

    def __init__(self, *, seconds: float = SECONDS, least: int = BYTES, every: float = LOOK_EVERY) -> None:
        self._seconds, self._least, self._every = seconds, least, every
        self._reading: set[Watched] = set()
        self._counted: dict[int, Counted] = {}
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def watch(self, source: Any) -> Watched:  # Any: as in Watched
        if self._thread is None:
            self._start()
        return Watched(source, self._reading)

    def look(self) -> int:
        """Shut what brought too little for too long while a read was waiting; returns how many."""
        now = time.monotonic()
        # Counting begins before a read is overdue, so that at that moment a whole minute is known.
        if not any(now - watched.since > self._every for watched in tuple(self._reading)):
            self._counted.clear()
            return 0
        before, self._counted = self._counted, {}
        return sum(self._look_at(connection, before, now) for connection in _connections())

    def _look_at(self, connection: socket.socket, before: dict[int, Counted], now: float) -> bool:
        facts = _facts(connection)
        if facts is None:
            return False
        received, sent, is_sending = facts
        inode = os.fstat(connection.fileno()).st_ino
        counted = before.get(inode)
        if counted is None or is_sending or sent > counted.sent or received - counted.received >= self._least:
            self._counted[inode] = Counted(now, received, sent)
            return False
        if now - counted.since < self._seconds:
            self._counted[inode] = counted
            return False
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RD)
        return True

    def _start(self) -> None:
        # After the server has forked: a thread does not come along into a child.
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
                if sys.platform.startswith("linux"):
                    self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(self._every)
            with contextlib.suppress(OSError):
                self.look()


def watching(application: Application, watchdog: Watchdog | None = None) -> Application:
    """The application with every body looked after, whichever view reads it."""
    dog = watchdog or Watchdog()

    def watched(environ: Environ, start_response: Any) -> Iterable[bytes]:  # Any: PEP 3333
        environ["wsgi.input"] = dog.watch(environ["wsgi.input"])
        return application(environ, start_response)

    return watched


def _connections() -> Iterator[socket.socket]:
    """Each TCP connection to a port on which this process listens, as a duplicate that is closed again."""
    sockets = list(_sockets())
    try:
        ports = {_port(one) for one in sockets if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)}
        yield from (one for one in sockets if _port(one) in ports)
    finally:
        for one in sockets:
            one.close()


def _sockets() -> Iterator[socket.socket]:
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            # Duplicated before it is looked at: the server may close it, and use its number again, at any time.
            number = os.dup(int(path.name))
            try:
                one = socket.socket(fileno=number)
            except OSError:
                os.close(number)
                continue
            if one.family in (socket.AF_INET, socket.AF_INET6) and one.type == socket.SOCK_STREAM:
                yield one
            else:
                one.close()


def _port(one: socket.socket) -> int:
    return int(one.getsockname()[1])


def _facts(connection: socket.socket) -> tuple[int, int, bool] | None:
    """Bytes received, bytes sent and acknowledged, and whether more waits to be sent; None where nothing is open."""
    found = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _FACTS.size)
    if len(found) < _FACTS.size:
        return None
    state, unacknowledged, sent, received, unsent = _FACTS.unpack(found)
    return (received, sent, bool(unacknowledged or unsent)) if state == _ESTABLISHED else None
