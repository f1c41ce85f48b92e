"""The watchdog on real connections of this very process; on real servers it is tested in tests/contract."""

import io
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from exchange.watchdog import Watchdog, Watched, watching
from tests.waiting import until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's counters are Linux's")


@dataclass
class Connection:
    """Both ends of a connection to a port that this process listens on."""

    client: socket.socket
    server: socket.socket


@pytest.fixture
def connection() -> Iterator[Connection]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        server, _ = listening.accept()
        with client, server:
            yield Connection(client, server)


@pytest.fixture
def dog() -> Watchdog:
    return Watchdog(seconds=0.3, least=1000, every=0.05)


def test_read_that_waits_too_long_ends_short(connection: Connection, dog: Watchdog) -> None:
    body = dog.watch(connection.server.makefile("rb"))
    connection.client.sendall(b"half")
    assert body.read(8) == b"half"


def test_line_that_never_ends_is_given_up(connection: Connection, dog: Watchdog) -> None:
    body = dog.watch(connection.server.makefile("rb"))
    connection.client.sendall(b"half")
    assert body.readline() == b"half"


def test_answer_can_still_be_sent(connection: Connection, dog: Watchdog) -> None:
    dog.watch(connection.server.makefile("rb")).read(8)
    connection.server.sendall(b"too slow")
    assert connection.client.recv(8) == b"too slow"


def test_connection_that_brings_enough_is_let_be(connection: Connection, dog: Watchdog) -> None:
    body = dog.watch(connection.server.makefile("rb"))
    between = threading.Event()

    def send() -> None:
        for _ in range(10):
            connection.client.sendall(bytes(1000))
            between.wait(0.1)

    sender = threading.Thread(target=send)
    sender.start()
    assert len(body.read(10_000)) == 10_000
    sender.join()


def test_nobody_is_counted_while_nobody_reads(connection: Connection) -> None:
    dog = Watchdog(seconds=0, every=0)
    assert dog.look() == 0
    connection.client.sendall(b"x")
    assert connection.server.recv(1) == b"x"


def test_connection_with_something_left_to_send_is_let_be(connection: Connection) -> None:
    """A reader that pauses fills its own buffers and ours: a download, not a push."""
    connection.server.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            connection.server.send(bytes(1 << 20))
    dog = Watchdog(seconds=0, every=0)
    waiting = _waiting(dog)
    assert [dog.look() for _ in range(3)] == [0, 0, 0]
    assert waiting.is_alive()


def test_connections_to_others_are_let_be(connection: Connection) -> None:
    """The client's end is a connection of this process too, but not one to a port it listens on."""
    dog = Watchdog(seconds=0, every=0)
    _waiting(dog)
    until(lambda: dog.look() > 0)
    connection.server.sendall(b"y")
    assert connection.client.recv(1) == b"y"


@pytest.mark.parametrize("text", [b"", b"one\n", b"one\ntwo\nthree"])
def test_watched_body_reads_like_any_other(text: bytes) -> None:
    def watched() -> Watched:
        return Watchdog().watch(io.BytesIO(text))

    assert watched().read() == text
    assert b"".join(watched()) == text
    assert watched().readlines() == io.BytesIO(text).readlines()
    assert watched().readline() == io.BytesIO(text).readline()


def test_application_gets_a_watched_body() -> None:
    def application(environ: dict[str, object], start_response: object) -> list[bytes]:
        body = environ["wsgi.input"]
        assert isinstance(body, Watched)
        return [body.read(4)]

    assert list(watching(application)({"wsgi.input": io.BytesIO(b"body")}, None)) == [b"body"]


def _waiting(dog: Watchdog) -> threading.Thread:
    """A read that goes on until the test ends, on something that is no connection."""
    ours, theirs = socket.socketpair()
    body = Watched(ours.makefile("rb"), dog._reading)  # without its thread: the test looks itself

    def read() -> None:
        with ours, theirs:
            body.read(1)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    until(lambda: bool(dog._reading))
    return thread
