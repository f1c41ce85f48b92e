"""A line holds allowed fields alone: planted texts are in none, wherever they were planted."""

import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pydicom
import pytest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory

from exchange import logs
from tests import sealing
from tests.actors import Cast, make_cast
from tests.factories import make_ct

CANARY = "Canary"


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Everything that the handlers of the root write, down to the lowest level."""
    stream = io.StringIO()
    handler, root = logging.StreamHandler(stream), logging.getLogger()
    handler.setFormatter(logs.Lines())
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def lines(written: io.StringIO) -> list[dict[str, Any]]:  # Any: JSON
    return [json.loads(line) for line in written.getvalue().splitlines()]


def line_of(record: logging.LogRecord) -> dict[str, Any]:  # Any: JSON
    text = logs.Lines().format(record)
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)  # Any: as above
    return found


def make_record(name: str, message: str, *args: object, **extra: object) -> logging.LogRecord:
    record = logging.LogRecord(name, logging.INFO, "somewhere.py", 7, message, args, sys.exc_info())
    record.__dict__.update(extra)
    return record


# Lines


def test_our_own_sentences_are_kept() -> None:
    assert line_of(make_record("transfers.jobs", "job %s is dead", 12))["event"] == "job 12 is dead"


def test_of_a_librarys_message_only_its_place_is_kept() -> None:
    line = line_of(make_record("django.request", "Not Found: %s", f"/s/{CANARY}/"))
    assert CANARY not in json.dumps(line)
    assert (line["logger"], line["at"]) == ("django.request", "somewhere:7")


def test_a_logger_that_only_begins_like_ours_is_not_ours() -> None:
    assert CANARY not in json.dumps(line_of(make_record("exchange_of_others", CANARY)))


def test_fields_that_are_not_allowed_are_dropped() -> None:
    fields = {"status": 200, "patient": CANARY, "path": f"/{CANARY}", "route": ["a list"]}
    line = line_of(make_record("exchange.access", "request", fields=fields))
    assert line["status"] == 200
    assert not {"patient", "path", "route"} & set(line)


def test_of_an_exception_class_and_place_are_kept_never_its_text() -> None:
    try:
        raise ValueError(CANARY)
    except ValueError:
        line = line_of(make_record("transfers.tasks", "failed"))
    assert line["error"] == "ValueError"
    assert line["at"].startswith("test_logs:")
    assert CANARY not in json.dumps(line)


def test_a_line_break_in_a_message_makes_no_second_line() -> None:
    assert line_of(make_record("exchange", "one\n{}"))["event"] == "one\n{}"


# Requests


def test_a_request_is_one_line_with_its_route(cast: Cast, written: io.StringIO) -> None:
    transfer = sealing.send([make_ct()], sender=cast.st_elsewhere, to=[cast.general_hospital])
    cast.recipient_read.client.get(f"/api/transfers/{transfer.pk}/")
    (line,) = [line for line in lines(written) if line["logger"] == "exchange.access"]
    assert (line["route"], line["method"], line["status"]) == ("api:transfer", "GET", 200)
    assert line["transfer"] == str(transfer.pk)
    assert line["principal"] == cast.recipient_read.who.ident
    assert line["bytes"] > 0
    assert len(line["request"]) == 16


def test_a_person_is_named_by_number(cast: Cast, written: io.StringIO) -> None:
    cast.bob.client.get("/")
    (line,) = [line for line in lines(written) if line.get("route") == "portal:inbox"]
    assert line["principal"] == cast.bob.who.ident


def test_a_streamed_answer_is_counted_to_its_last_byte(cast: Cast, written: io.StringIO) -> None:
    transfer = sealing.send([make_ct()], sender=cast.st_elsewhere, to=[cast.general_hospital])
    response: Any = cast.bob.client.get(f"/transfers/{transfer.pk}/download/")  # Any: the test client's response
    size = len(b"".join(response.streaming_content))
    (line,) = [line for line in lines(written) if line.get("route") == "portal:download"]
    assert line["bytes"] == size


def test_an_answer_that_is_cut_is_written_with_what_has_left(written: io.StringIO) -> None:
    response = logs.AccessLog(lambda request: StreamingHttpResponse(iter([b"12345", b"678"])))(
        RequestFactory().get("/")
    )
    assert isinstance(response, StreamingHttpResponse)
    next(iter(response))
    for close in response._resource_closers:  # type: ignore[attr-defined]  # all that `close()` does, but for its signal
        close()
    (line,) = lines(written)
    assert line["bytes"] == 5


def test_lines_within_a_request_carry_its_number(written: io.StringIO) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        logging.getLogger("transfers").info("at work")
        return HttpResponse()

    logs.AccessLog(view)(RequestFactory().get("/"))
    logging.getLogger("transfers").info("afterwards")
    inside, request, outside = lines(written)
    assert inside["request"] == request["request"]
    assert "request" not in outside


# Canaries


@pytest.mark.parametrize(
    "path",
    [
        "/dicomweb/studies?PatientName=Canary&PatientID=Canary",
        "/s/Canary-token/",
        "/nowhere/Canary",
        "/accounts/password/reset/key/Canary-Canary/",
        "/?after=Canary",
        "/dicomweb/studies/Canary/series/Canary",
        "/wado?requestType=WADO&studyUID=Canary&seriesUID=1.2&objectUID=Canary&frameNumber=Canary",
        "/api/directory/?q=Canary",
    ],
)
def test_no_path_and_no_query_is_logged(cast: Cast, written: io.StringIO, path: str) -> None:
    for actor in (cast.anonymous, cast.bob, cast.recipient_read):
        actor.client.get(path)
    assert len(lines(written)) >= 3
    assert CANARY not in written.getvalue()


@pytest.mark.parametrize(
    "header", ["Authorization", "User-Agent", "Referer", "X-Request-ID", "Cookie", "Host", "X-Forwarded-For", "Accept"]
)
@pytest.mark.parametrize("value", ["Canary", "Bearer wsk_Canary_1", "sessionid=Canary; grant=Canary"])
def test_no_header_is_logged(db: None, written: io.StringIO, settings: Any, header: str, value: str) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]
    for path in ("/healthz", "/dicomweb/studies", "/api/transfers/", "/g/1/"):
        Client(raise_request_exception=False).get(path, headers={header: value})
    assert lines(written)
    assert CANARY not in written.getvalue()


def test_no_method_is_logged_that_somebody_made_up(db: None, written: io.StringIO) -> None:
    Client().generic("CANARY", "/healthz")
    assert "CANARY" not in written.getvalue()


@pytest.mark.parametrize(
    ("path", "body", "media_type"),
    [
        ("/api/transfers/", b'{"message": "Canary", "Canary": 1}', "application/json"),
        ("/api/transfers/", b"{Canary", "application/json"),
        ("/dicomweb/studies", b"--x\r\n\r\nCanary\r\n--x--\r\n", "multipart/related; boundary=x"),
        ("/s/unknown/", b"pin=Canary", "application/x-www-form-urlencoded"),
        ("/accounts/login/", b"login=Canary@example.org&password=Canary", "application/x-www-form-urlencoded"),
        ("/oauth/token", b"client_id=Canary&client_secret=Canary", "application/x-www-form-urlencoded"),
    ],
)
def test_no_body_is_logged(cast: Cast, written: io.StringIO, path: str, body: bytes, media_type: str) -> None:
    for actor in (cast.anonymous, cast.sender_store):
        actor.client.post(path, body, content_type=media_type)
    assert len(lines(written)) >= 2
    assert CANARY not in written.getvalue()


def test_an_error_that_nobody_foresaw_is_logged_without_its_text(
    cast: Cast, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **named: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr("exchange.portal.people.addressing.list_transfers", fail)
    client = cast.bob.client
    client.raise_request_exception = False
    assert client.get("/").status_code == 500
    assert [line for line in lines(written) if line.get("error") == "RuntimeError"]
    assert CANARY not in written.getvalue()


def test_readers_of_files_are_silent(written: io.StringIO) -> None:
    pydicom.config.logger.critical(CANARY)
    logging.getLogger("pydicom.dataset").critical(CANARY)
    assert written.getvalue() == ""


def test_warnings_are_told_by_place_alone(written: io.StringIO) -> None:
    with warnings.catch_warnings():
        logging.captureWarnings(False)
        logs.configure(logs.LOGGING)
        warnings.simplefilter("always")
        logging.getLogger().addHandler(handler := logging.StreamHandler(written))
        handler.setFormatter(logs.Lines())
        warnings.warn(f"Invalid value: {CANARY}", stacklevel=1)
    logging.getLogger().removeHandler(handler)
    assert [line for line in lines(written) if line["logger"] == "py.warnings"]
    assert CANARY not in written.getvalue()
