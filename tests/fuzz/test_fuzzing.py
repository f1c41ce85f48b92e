"""What judges the exchange is judged itself: a seed replays, and what is wrong with an answer is noticed."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.fuzz import asking, grammar
from tests.fuzz.asking import Answer
from tests.fuzz.grammar import Instance, Place, Request

PLACE = Place([Instance("t", "1.2", "1.3", "1.4")], ["somewhere"], [b"a file" * 100])
GET = Request("GET", "/", [])


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server for one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            wire, _ = listening.accept()
            with wire:
                wire.recv(65536)
                answer(wire)

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join()


def test_a_seed_gives_the_same_requests_again() -> None:
    assert list(grammar.requests(1, 300, PLACE)) == list(grammar.requests(1, 300, PLACE))
    assert list(grammar.requests(1, 300, PLACE)) != list(grammar.requests(2, 300, PLACE))


def test_one_request_can_be_had_by_its_number() -> None:
    assert grammar.request(1, 77, PLACE) == list(grammar.requests(1, 78, PLACE))[77]


def test_a_request_is_what_goes_over_the_wire() -> None:
    for request in grammar.requests(3, 300, PLACE):
        octets = asking.encoded(request, key="k")
        head, _, body = octets.partition(b"\r\n\r\n")
        assert head.split(b"\r\n")[0] == f"{request.method} {request.target} HTTP/1.1".encode("ascii")
        assert body == request.body
        assert b"\n" not in head.replace(b"\r\n", b"")


def test_silence_is_a_flaw() -> None:
    with server(lambda wire: _until_gone(wire)) as port:
        assert "no whole answer" in asking.ask(port, GET, key="", deadline=0.2).flaw


def test_an_answer_that_dribbles_is_a_flaw() -> None:
    def dribble(wire: socket.socket) -> None:
        wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        wire.settimeout(0.02)
        while not _is_gone(wire):
            try:
                wire.sendall(b"x")
            except OSError:
                return

    with server(dribble) as port:
        assert "no whole answer" in asking.ask(port, GET, key="", deadline=0.3).flaw


@pytest.mark.parametrize(
    ("octets", "flaw"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "cut off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n", "cut off"),
        (b"", "instead of an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole", ""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n", ""),
    ],
)
def test_an_answer_that_is_cut_off_is_a_flaw(octets: bytes, flaw: str) -> None:
    with server(lambda wire: wire.sendall(octets)) as port:
        found = asking.ask(port, GET, key="").flaw
    assert (flaw in found) if flaw else not found


PROBLEM = {"content-type": "application/problem+json", "content-security-policy": "x"}


@pytest.mark.parametrize(
    ("status", "headers", "body", "is_wrong"),
    [
        (500, PROBLEM, b"{}", True),
        (503, PROBLEM, b'{"status": 503, "detail": "Later."}', True),
        (400, PROBLEM, b'{"status": 400, "detail": ""}', True),
        (400, PROBLEM, b'{"status": 404, "detail": "No."}', True),
        (400, {**PROBLEM, "content-type": "text/html"}, b"<h1>", True),
        (200, {**PROBLEM, "x-injected": "1"}, b"", True),
        (400, PROBLEM, b'{"status": 400, "detail": "No."}', False),
        (400, {}, b"", False),
        (200, {**PROBLEM, "content-type": "image/jpeg"}, b"\xff", False),
    ],
)
def test_what_no_answer_may_be(status: int, headers: dict[str, str], body: bytes, is_wrong: bool) -> None:
    assert bool(asking.complaints(GET, Answer(status, headers, body, 0.0))) == is_wrong


def _until_gone(wire: socket.socket) -> None:
    while wire.recv(1024):
        pass


def _is_gone(wire: socket.socket) -> bool:
    try:
        return wire.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
