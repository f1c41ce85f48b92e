"""The malware scanner: a clamd that speaks INSTREAM over a real socket."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytest_django import Settings

from tests import factories
from tests.transfers.judged import codes, validated
from transfers import errors, validating
from transfers.rules.lifecycle import State

pytestmark = pytest.mark.django_db

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


@contextmanager
def clamd(answer: bytes | None = None) -> Iterator[str]:
    """A scanner that speaks INSTREAM and finds the test file; with `answer` it says only that."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                assert stream.read(10) == b"zINSTREAM\0"
                body = b""
                while length := int.from_bytes(stream.read(4), "big"):
                    body += stream.read(length)
                found = b"stream: Eicar-Test-Signature FOUND\0" if EICAR in body else b"stream: OK\0"
                connection.sendall(found if answer is None else answer)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def test_a_scanner_that_finds_nothing_lets_pass(settings: Settings) -> None:
    transfer = factories.make_transfer()
    factories.store_instance(transfer, factories.make_ct())
    with clamd() as settings.CLAMD_URL:
        assert validated(transfer).state == State.AVAILABLE
    assert codes(transfer) == set()


def test_malware_stops_for_good(settings: Settings) -> None:
    transfer = factories.make_transfer()
    instance = factories.store_instance(transfer, factories.make_ct(pixels=EICAR + bytes(512 - len(EICAR))))
    with clamd() as settings.CLAMD_URL:
        assert validated(transfer).state == State.HELD
    instance.refresh_from_db()
    assert codes(transfer) == {"malware"} and instance.record is None


def test_malware_in_a_document_stops(settings: Settings) -> None:
    transfer = factories.make_transfer()
    factories.store_document(transfer, EICAR)
    with clamd() as settings.CLAMD_URL:
        assert validated(transfer).state == State.HELD and codes(transfer) == {"malware"}


@pytest.mark.parametrize("answer", [b"", b"INSTREAM size limit exceeded. ERROR\0", b"stream: OK maybe\0"])
def test_a_scanner_that_gives_no_verdict_lets_nothing_pass(settings: Settings, answer: bytes) -> None:
    transfer = factories.make_transfer()
    factories.store_instance(transfer, factories.make_ct())
    with clamd(answer) as settings.CLAMD_URL, pytest.raises(errors.ScannerUnavailable):
        validating.validate(transfer.pk)
    transfer.refresh_from_db()
    assert transfer.state == State.VALIDATING


def test_a_scanner_that_is_not_there_lets_nothing_pass(settings: Settings, tmp_path: Path) -> None:
    transfer = factories.make_transfer()
    factories.store_instance(transfer, factories.make_ct())
    settings.CLAMD_URL = f"unix://{tmp_path}/clamd"
    with pytest.raises(errors.ScannerUnavailable):
        validating.validate(transfer.pk)
