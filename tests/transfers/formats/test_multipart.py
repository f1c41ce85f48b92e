"""multipart/related bodies, read whole, in crumbs, cut off and forged."""

import itertools
import random
from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import cast

import pytest

from transfers import errors
from transfers.formats import multipart

BOUNDARY = b"exchange-boundary"
TYPE = "application/dicom"


def body(*parts: bytes, boundary: bytes = BOUNDARY) -> bytes:
    pieces = [multipart.part_header(boundary, content_type=TYPE) + part for part in parts]
    return b"".join([*pieces, multipart.closing(boundary)])


def rechunk(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def read_parts(chunks: Iterator[bytes], *, boundary: bytes = BOUNDARY) -> list[bytes]:
    return [b"".join(part.chunks) for part in multipart.iter_parts(chunks, boundary=boundary)]


NEAR_MISSES = b"\r\n--exchange-boundar\r\r\n--exchange\n--exchange-boundary--\r\n-\r\n"
PARTS = [
    b"first",
    b"",
    b"\r\n",
    NEAR_MISSES,
    bytes(range(256)) * 40,
    b"ends in CR\r",
    b"\r\n--exchange-boundar",
]


@pytest.mark.parametrize("size", [1, 2, 7, 19, 21, 4096, 65536])
def test_chunk_size_does_not_change_the_parts(size: int) -> None:
    assert read_parts(rechunk(body(*PARTS), size)) == PARTS


def test_random_parts_in_random_chunks_come_back() -> None:
    rng = random.Random(5)
    for _ in range(200):
        parts = [bytes(rng.choices(b"\r\n-exb", k=rng.randrange(60))) for _ in range(rng.randrange(1, 5))]
        data = body(*parts, boundary=b"exb")
        if any(b"\r\n--exb" in b"\r\n" + part for part in parts):
            continue
        cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(12)))
        chunks = [data[a:b] for a, b in itertools.pairwise([0, *cuts, len(data)])]
        assert read_parts(iter(chunks), boundary=b"exb") == parts


def test_the_standard_library_reads_what_we_write() -> None:
    head = b'Content-Type: multipart/related; type="application/dicom"; boundary="exchange-boundary"\r\n\r\n'
    message = message_from_bytes(head + body(b"one", b"two\r\n"), policy=policy.HTTP)
    assert [part.get_payload(decode=True) for part in message.iter_parts()] == [b"one", b"two\r\n"]


def test_headers_are_given_by_lower_case_name() -> None:
    data = b"--b\r\nCONTENT-Type: application/dicom;\r\n transfer-syntax=1.2 \r\nX-Empty:\r\n\r\nx\r\n--b--"
    part = next(multipart.iter_parts(iter([data]), boundary=b"b"))
    assert part.headers == {"content-type": "application/dicom; transfer-syntax=1.2", "x-empty": ""}


def test_preamble_and_epilogue_are_ignored() -> None:
    data = b"a multipart body\r\nand --b is not a delimiter\r\n--b\r\n\r\nx\r\n--b--\r\nthe end \r\n--b\r\n"
    assert read_parts(rechunk(data, 3), boundary=b"b") == [b"x"]


def test_epilogue_is_read_to_its_end() -> None:
    chunks = iter([body(b"x"), b"epilogue", b"more"])
    read_parts(chunks)
    assert list(chunks) == []


def test_padding_behind_a_delimiter_is_allowed() -> None:
    data = b"--b \t\r\n\r\nx\r\n--b \r\nA: b\r\n\r\ny\r\n--b--"
    assert read_parts(iter([data]), boundary=b"b") == [b"x", b"y"]


def test_a_body_may_have_no_parts() -> None:
    assert read_parts(iter([b"--b--\r\n"]), boundary=b"b") == []


def test_part_with_headers_and_nothing_else_is_empty() -> None:
    assert read_parts(iter([b"--b\r\nA: b\r\n\r\n--b--"]), boundary=b"b") == [b""]


@pytest.mark.parametrize("size", [1, 64, 100_000])
def test_unread_part_is_skipped(size: int) -> None:
    parts = multipart.iter_parts(rechunk(body(b"a" * 5000, b"b" * 300, b"c"), size), boundary=BOUNDARY)
    next(parts)
    half_read = next(parts)
    next(half_read.chunks)
    assert b"".join(next(parts).chunks) == b"c"


def test_part_closed_half_way_is_skipped() -> None:
    parts = multipart.iter_parts(rechunk(body(b"a" * 5000, b"next"), 64), boundary=BOUNDARY)
    chunks = cast("Iterator[bytes]", next(parts).chunks)
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert b"".join(next(parts).chunks) == b"next"


def test_part_read_after_its_turn_does_not_give_the_octets_of_another() -> None:
    parts = multipart.iter_parts(rechunk(body(b"a" * 5000, b"b" * 5000), 64), boundary=BOUNDARY)
    late = next(parts)
    next(parts)
    with pytest.raises(RuntimeError):
        list(late.chunks)


@pytest.mark.parametrize("size", [1, 16, 100_000])
def test_body_cut_anywhere_is_refused(size: int) -> None:
    data = body(b"instance one", b"two").removesuffix(b"--\r\n")
    for end in range(len(data) + 2):
        with pytest.raises(errors.MalformedMultipart):
            read_parts(rechunk((data + b"--")[:end], size))


def test_whole_parts_before_a_cut_are_given() -> None:
    parts = multipart.iter_parts(iter([body(b"one", b"two")[:-30]]), boundary=BOUNDARY)
    assert b"".join(next(parts).chunks) == b"one"
    with pytest.raises(errors.MalformedMultipart):
        for part in parts:
            list(part.chunks)


def test_cut_off_part_raises_while_it_is_being_read() -> None:
    cut = multipart.part_header(BOUNDARY, content_type=TYPE) + b"a" * 300
    part = next(multipart.iter_parts(rechunk(cut, 100), boundary=BOUNDARY))
    assert len(next(part.chunks)) > 0
    with pytest.raises(errors.MalformedMultipart):
        list(part.chunks)


@pytest.mark.parametrize(
    "data",
    [
        b"--b\nA: b\n\nx\n--b--\n",
        b"--b\r\nA: b\n\r\nx\r\n--b--",
        b"--b\r\nA b\r\n\r\nx\r\n--b--",
        b"--b\r\nA : b\r\n\r\nx\r\n--b--",
        b"--b\r\n: b\r\n\r\nx\r\n--b--",
        b"--b\r\nA: b\x00\r\n\r\nx\r\n--b--",
        b"--b\r\n A: b\r\n\r\nx\r\n--b--",
        b"--b\r\nA: b\r\nA: c\r\n\r\nx\r\n--b--",
        b"--bb\r\n\r\nx\r\n--b--",
        b"--b\r\n" + b"A: %s\r\n\r\nx\r\n--b--" % (b"x" * 8192),
        b"--b\r\n" + b"".join(b"A%d: b\r\n" % n for n in range(17)) + b"\r\nx\r\n--b--",
        b"--b\r\n" + b"x" * 20_000 + b"\r\n\r\nx\r\n--b--",
        b"",
        b"no delimiter at all",
    ],
)
def test_malformed_body_is_refused(data: bytes) -> None:
    with pytest.raises(errors.MalformedMultipart):
        read_parts(iter([data]), boundary=b"b")


@pytest.mark.parametrize("boundary", [b"", b"a" * 201, b"ends in space ", b"line\r\nbreak", b"nul\x00"])
def test_malformed_boundary_is_refused(boundary: bytes) -> None:
    with pytest.raises(errors.MalformedMultipart):
        list(multipart.iter_parts(iter([b""]), boundary=boundary))


def test_sixteen_headers_and_the_long_boundary_of_orthanc_are_allowed() -> None:
    boundary = b"b" * 73
    headers = b"".join(b"A%d: b\r\n" % n for n in range(16))
    data = b"--" + boundary + b"\r\n" + headers + b"\r\nx\r\n--" + boundary + b"--"
    assert read_parts(iter([data]), boundary=boundary) == [b"x"]


def test_too_many_parts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MAX_PARTS", 3)
    assert len(read_parts(iter([body(*[b"x"] * 3)]))) == 3
    with pytest.raises(errors.MalformedMultipart):
        read_parts(iter([body(*[b"x"] * 4)]))


def test_octets_are_views_of_the_incoming_chunks() -> None:
    part = next(multipart.iter_parts(iter([body(b"a" * 50_000)]), boundary=BOUNDARY))
    assert isinstance(next(part.chunks), memoryview)


def test_part_header_names_type_and_location() -> None:
    assert multipart.part_header(b"b", content_type=TYPE, location="https://host/x") == (
        b"\r\n--b\r\nContent-Type: application/dicom\r\nContent-Location: https://host/x\r\n\r\n"
    )
