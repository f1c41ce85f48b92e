"""Senders that stop in the middle, and senders that are only slow, on both servers."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.contract import wire
from tests.contract.conftest import SERVERS, serve
from tests.contract.test_wsgi import length, make_available, pulling
from tests.contract.wire import STORE, Server, chunked, head
from tests.faults import sending, tree
from tests.faults.sending import TO
from tests.faults.tree import Tree

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module", params=SERVERS)
def impatient(request: pytest.FixtureRequest, behind: Tree) -> Iterator[Server]:
    with serve(behind, request.param, application="tests.contract.impatient:application") as running:
        yield running


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_push_that_stands_still_is_ended(impatient: Server, is_chunked: bool) -> None:
    """Its connection stays open all the time: nothing but the watchdog ends the read."""
    study = sending.make_study(3, size=100_000)
    pieces = list(sending.pieces(study))[:2]
    framing = "Transfer-Encoding: chunked" if is_chunked else length(sending.multipart(study))
    with impatient.connect() as line:
        line.sendall(head(TO, STORE, framing, key=impatient.key))
        line.sendall(b"".join(chunked(pieces, terminal=False) if is_chunked else pieces) + b"\r\n--next-")
        answer = wire.hear(line)
    assert answer.status in (0, 400)
    tree.wait_for(lambda: not impatient.leases(), what="the end of the push")
    assert impatient.kept(study) == {file.sop_instance_uid for file in study[:1]}


def test_push_that_trickles_is_ended(impatient: Server) -> None:
    study = sending.make_study(1, size=100_000)
    body = sending.multipart(study)
    with impatient.connect() as line:
        line.sendall(head(TO, STORE, length(body), key=impatient.key) + body[:80_000])
        trickle = threading.Thread(target=drip, args=(line, body[80_000:]), kwargs={"size": 10, "pause": 0.1})
        trickle.start()
        answer = wire.hear(line)
    trickle.join()
    assert answer.status in (0, 400)
    assert not impatient.kept(study)
    tree.wait_for(lambda: not impatient.leases(), what="the end of the push")


def test_slow_but_steady_push_is_taken(impatient: Server) -> None:
    study = sending.make_study(1, size=20_000)
    body = sending.multipart(study)
    with impatient.connect() as line:
        line.sendall(head(TO, STORE, length(body), key=impatient.key))
        drip(line, body, size=400, pause=0.15)  # for 8 s, at 2.6 times the least rate
        answer = wire.hear(line)
    assert answer.status == 200
    assert impatient.kept(study) == {study[0].sop_instance_uid}


def test_small_body_that_never_comes_is_ended(impatient: Server) -> None:
    """Whatever reads a body: the JSON API here."""
    key = impatient.behind.sites["st-elsewhere"].manage_key
    with impatient.connect() as line:
        line.sendall(head("/api/transfers/", "Content-Type: application/json", "Content-Length: 500", key=key) + b"{")
        assert wire.hear(line).status in (0, 400)


def test_reader_who_pauses_is_not_cut(impatient: Server) -> None:
    """A pull that waits for its reader is none of the watchdog's business, even while it looks."""
    path = make_available(impatient, sending.make_study(1, size=40_000_000))
    study = sending.make_study(1, size=100_000)
    with impatient.connect() as reading, impatient.connect() as stalled:
        reading.sendall(pulling(impatient, path))
        stalled.sendall(
            head(TO, STORE, "Content-Length: 100000", key=impatient.key) + sending.multipart(study)[:90_000]
        )
        wire.hear(stalled)  # ended
        assert wire.hear(reading, method="GET").is_whole


def drip(line: socket.socket, body: bytes, *, size: int, pause: float) -> None:
    """Send a little at a time until all is sent or nobody listens any more."""
    between = threading.Event()
    try:
        for start in range(0, len(body), size):
            line.sendall(body[start : start + size])
            between.wait(pause)
    except OSError:
        pass
