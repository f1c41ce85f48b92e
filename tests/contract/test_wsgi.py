"""What both servers must do alike, bodies that end early and requests that hide another above all.

RFC 9112 for the framing; DICOM PS3.18 Section 10.5 for the pushes.
"""

import socket
import struct
from typing import BinaryIO

import psutil
import pytest

from tests.contract import wire
from tests.contract.wire import STORE, Server, chunked, head, speak
from tests.faults import sending, tree
from tests.faults.sending import TO, File

pytestmark = pytest.mark.faults
CHUNKED = "Transfer-Encoding: chunked"
BARE = "Content-Type: application/dicom"


def length(body: bytes) -> str:
    return f"Content-Length: {len(body)}"


@pytest.fixture
def study() -> list[File]:
    return sending.make_study(3)


def test_push_with_a_length_stores_everything(server: Server, study: list[File]) -> None:
    body = sending.multipart(study)
    with server.connect() as line:
        answer = speak(line, [head(TO, STORE, length(body), key=server.key), body])
    assert answer.status == 200
    assert set(answer.store.stored) == server.kept(study) == {file.sop_instance_uid for file in study}


def test_chunked_push_stores_everything(server: Server, study: list[File]) -> None:
    with server.connect() as line:
        request = [head(TO, STORE, CHUNKED, key=server.key), *chunked(sending.pieces(study))]
        answer = speak(line, request)
    assert answer.status == 200
    assert set(answer.store.stored) == server.kept(study) == {file.sop_instance_uid for file in study}


def test_chunks_of_any_size_carry_the_same_body(server: Server, study: list[File]) -> None:
    body = sending.multipart(study)
    odd = [body[start : start + 997] for start in range(0, len(body), 997)]
    with server.connect() as line:
        answer = speak(line, [head(TO, STORE, CHUNKED, key=server.key), *chunked(odd)])
    assert server.kept(study) == set(answer.store.stored) == {file.sop_instance_uid for file in study}


def test_body_shorter_than_its_length_keeps_what_is_whole(server: Server, study: list[File]) -> None:
    body = sending.multipart(study)
    begun = body[: -len(study[-1].content) // 2]
    with server.connect() as line:
        answer = speak(line, [head(TO, STORE, length(body), key=server.key), begun], half_close=True)
    kept_and_listed(server, study, answer)


def test_chunked_body_without_its_last_chunk_keeps_what_is_whole(server: Server, study: list[File]) -> None:
    pieces = list(sending.pieces(study, closing=False))
    pieces[-1] = pieces[-1][:-1000]
    with server.connect() as line:
        request = [head(TO, STORE, CHUNKED, key=server.key), *chunked(pieces, terminal=False)]
        answer = speak(line, request, half_close=True)
    kept_and_listed(server, study, answer)


def test_body_without_its_closing_delimiter_is_cut_too(server: Server, study: list[File]) -> None:
    pieces = list(sending.pieces(study, closing=False))
    with server.connect() as line:
        answer = speak(line, [head(TO, STORE, CHUNKED, key=server.key), *chunked(pieces)])
    assert answer.status == 400
    kept_and_listed(server, study, answer)


def test_malformed_chunk_is_a_cut_and_hides_no_request(server: Server, study: list[File]) -> None:
    pieces = list(sending.pieces(study[:2], closing=False))
    hidden = head(TO, BARE, length(study[2].content), key=server.key) + study[2].content
    with server.connect() as line:
        request = [head(TO, STORE, CHUNKED, key=server.key), *chunked(pieces, terminal=False), b"zz\r\n\r\n", hidden]
        answer = speak(line, request, half_close=True)
        rest = wire.ends(line)
    assert answer.status in (0, 400)
    assert b"HTTP/1.1 2" not in rest
    assert server.kept(study) == {study[0].sop_instance_uid}
    tree.wait_for(lambda: not server.leases(), what="the end of the push")


def test_reset_connection_ends_the_push(server: Server) -> None:
    study = sending.make_study(2, size=500_000)
    body = sending.multipart(study)
    with server.connect() as line:
        line.sendall(head(TO, STORE, length(body), key=server.key) + body[: len(body) // 2])
        tree.wait_for(server.leases, what="the push")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    tree.wait_for(lambda: not server.leases(), what="the end of the push")


def test_bare_instance_with_a_length_is_stored(server: Server, study: list[File]) -> None:
    body = study[0].content
    with server.connect() as line:
        answer = speak(line, [head(TO, BARE, length(body), key=server.key), body])
    assert answer.status == 200
    assert server.kept(study) == {study[0].sop_instance_uid}


def test_bare_instance_cut_off_is_not_stored(server: Server, study: list[File]) -> None:
    body = study[0].content
    with server.connect() as line:
        answer = speak(line, [head(TO, BARE, length(body), key=server.key), body[:-10]], half_close=True)
    assert answer.status in (0, 400)
    tree.wait_for(lambda: not server.leases(), what="the end of the push")
    assert not server.kept(study)


def test_bare_instance_without_a_length_is_refused(server: Server, study: list[File]) -> None:
    with server.connect() as line:
        answer = speak(line, [head(TO, BARE, CHUNKED, key=server.key), *chunked([study[0].content])])
    assert answer.status == 411
    assert not server.kept(study)


@pytest.mark.parametrize("order", [1, -1], ids=["length first", "chunked first"])
def test_length_and_chunks_hide_no_second_request(server: Server, study: list[File], order: int) -> None:
    """RFC 9112 Section 6.1: refused, or read by its chunks and the connection closed; never both readings."""
    hidden = study[1].content
    inner = head(TO, BARE, length(hidden), key=server.key) + hidden
    body = b"".join(chunked(sending.pieces(study[:1]))) + inner
    framing = [length(body), CHUNKED][::order]
    with server.connect() as line:
        answer = speak(line, [head(TO, STORE, *framing, key=server.key), body])
        rest = wire.ends(line)
    assert answer.status in (0, 200, 400)
    assert b"HTTP/1.1 2" not in rest
    assert server.kept(study) == ({study[0].sop_instance_uid} if answer.status == 200 else set())


def test_two_lengths_hide_no_second_request(server: Server, study: list[File]) -> None:
    body = study[0].content
    inner = head(TO, BARE, length(study[1].content), key=server.key) + study[1].content
    with server.connect() as line:
        request = [head(TO, BARE, length(body), length(body + inner), key=server.key), body, inner]
        answer = speak(line, request)
        rest = wire.ends(line)
    assert answer.status in (0, 400)
    assert b"HTTP/1.1 2" not in rest
    assert not server.kept(study)


def test_client_that_waits_for_continue_is_told_to(server: Server, study: list[File]) -> None:
    body = sending.multipart(study)
    with server.connect() as line:
        line.sendall(head(TO, STORE, length(body), "Expect: 100-continue", key=server.key))
        assert line.recv(4096).startswith(b"HTTP/1.1 100")
        answer = speak(line, [body])
    assert answer.status == 200
    assert server.kept(study) == {file.sop_instance_uid for file in study}


@pytest.mark.parametrize(("key", "path", "status"), [("", TO, 401), ("own", "/dicomweb/to/nobody/studies", 404)])
def test_refusal_does_not_wait_for_the_body(server: Server, key: str, path: str, status: int) -> None:
    with server.connect() as line:
        answer = speak(line, [head(path, STORE, "Content-Length: 1000000000", key=server.key if key else "")])
    assert answer.status == status


def test_what_follows_a_refused_body_is_no_request(server: Server, study: list[File]) -> None:
    """The body that nobody read must not be taken for the next request."""
    hidden = head(TO, BARE, length(study[0].content), key=server.key) + study[0].content
    with server.connect() as line:
        answer = speak(line, [head(TO, STORE, length(hidden)), hidden])
        line.shutdown(socket.SHUT_WR)
        rest = wire.ends(line)
    assert answer.status == 401
    assert b"HTTP/1.1 200" not in rest
    assert not server.kept(study)


def test_requests_in_one_go_are_answered_in_order(server: Server, study: list[File]) -> None:
    """RFC 9112 Section 9.3.2."""
    body = sending.multipart(study)
    asking = head("/healthz", method="GET")
    with server.connect() as line:
        line.sendall(asking + head(TO, STORE, length(body), key=server.key) + body + asking)
        stream = line.makefile("rb")
        statuses = [read_one(stream) for _ in range(3)]
    assert statuses == [200, 200, 200]
    assert server.kept(study) == {file.sop_instance_uid for file in study}


def test_pull_carries_its_length(server: Server, pulled: str) -> None:
    answer = pull(server, pulled)
    assert answer.status == 200
    assert answer.is_whole and len(answer.body) == int(answer.headers["content-length"])


def test_head_carries_the_length_and_no_body(server: Server, pulled: str) -> None:
    with server.connect() as line:
        line.sendall(pulling(server, pulled, method="HEAD"))
        answer = wire.hear(line, method="HEAD")
        line.sendall(head("/healthz", method="GET"))
        assert wire.hear(line, method="GET").status == 200  # nothing was left on the wire
    assert answer.body == b""
    assert int(answer.headers["content-length"]) == len(pull(server, pulled).body)


def test_error_in_a_running_answer_cuts_it_visibly(server: Server) -> None:
    files = sending.make_study(1, size=40_000_000)
    path = make_available(server, files)
    damage(server, files[0])
    answer = pull(server, path)
    assert answer.status == 200
    assert not answer.is_whole
    assert 0 < len(answer.body) < int(answer.headers["content-length"])


def test_reader_who_goes_away_frees_its_thread(server: Server) -> None:
    path = make_available(server, sending.make_study(1, size=40_000_000))
    for _ in range(4):
        with server.connect() as line:
            line.sendall(pulling(server, path))
            assert line.recv(4096).startswith(b"HTTP/1.1 200")
    assert pull(server, path).is_whole
    tree.wait_for(lambda: not connections(server), what="the end of all connections")


@pytest.fixture(scope="module")
def pulled(server: Server) -> str:
    return make_available(server, sending.make_study(2))


def kept_and_listed(server: Server, study: list[File], answer: wire.Response) -> None:
    """All but the last instance: rows are there, and whoever still listened was told so."""
    whole = {file.sop_instance_uid for file in study[:-1]}
    tree.wait_for(lambda: not server.leases(), what="the end of the push")
    assert server.kept(study) == whole
    assert answer.status in (0, 400)
    if answer.status:
        assert set(answer.store.stored) == whole


def make_available(server: Server, files: list[File]) -> str:
    """Push; returns the URL of the study once its recipient can pull it."""
    answer = sending.push(server.base_url, server.key, files)
    assert answer.status == 200
    asking = "SELECT state FROM transfers_transfer WHERE id = %s"
    tree.wait_for(lambda: server.behind.rows(asking, answer.transfer)[0][0] == "available", what="the transfer")
    return f"/dicomweb/studies/{files[0].study_instance_uid}"


def pulling(server: Server, path: str, *, method: str = "GET") -> bytes:
    accept = 'Accept: multipart/related; type="application/dicom"; transfer-syntax=*'
    return head(path, accept, key=server.read_key, method=method)


def pull(server: Server, path: str) -> wire.Response:
    with server.connect() as line:
        line.sendall(pulling(server, path))
        return wire.hear(line, method="GET")


def damage(server: Server, file: File) -> None:
    """Flip a bit well behind what is read before the first byte leaves."""
    name = server.behind.rows(
        "SELECT p.name FROM transfers_pack p JOIN transfers_instance i ON i.pack_id = p.id"
        " WHERE i.sop_instance_uid = %s",
        file.sop_instance_uid,
    )[0][0]
    with (server.behind.data / "packs" / name).open("r+b") as pack:
        pack.seek(30_000_000)
        byte = pack.read(1)[0]
        pack.seek(-1, 1)
        pack.write(bytes([byte ^ 1]))


def read_one(stream: BinaryIO) -> int:
    status = int(stream.readline().split()[1])
    size = 0
    while line := stream.readline().strip():
        name, _, value = line.partition(b":")
        size = int(value) if name.lower() == b"content-length" else size
    stream.read(size)
    return status


def connections(server: Server) -> int:
    """Open connections to the server, in whatever process of it."""
    family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    return sum(
        one.status == psutil.CONN_ESTABLISHED and one.laddr.port == server.port
        for process in family
        for one in process.net_connections("tcp")
    )
