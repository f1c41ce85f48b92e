"""Errors as HTTP: one table, and problem details that say what to do (RFC 9457).

docs/errors.md is written from this table; a test compares them.
"""

import json
import logging
import traceback
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from accounts.authentication import InvalidCredentials
from transfers import errors

logger = logging.getLogger(__name__)

CHALLENGE: Final = 'Bearer realm="exchange"'
_RETRY_AFTER: Final = 30


@dataclass(frozen=True, slots=True)
class Row:
    """What one error becomes: an HTTP status, and the code of a Store response or C-STORE status."""

    error: type[Exception]
    status: HTTPStatus
    code: int


class Unauthenticated(errors.Refused):
    sentence = "Send a credential: Authorization: Bearer with a key of your organisation."


class FactorMissing(errors.Refused):
    sentence = "Open the link that you were sent and enter its PIN; it is good for a quarter of an hour without use."


class MethodNotAllowed(errors.Refused):
    sentence = "This method is not offered here."

    def __init__(self, allowed: str) -> None:
        self.allowed = allowed
        super().__init__(f"{self.sentence} Use {allowed}." if allowed else "")


# The first row that fits counts, so the particular comes before the general. Codes: PS3.18 Table 10.5.3-1,
# PS3.4 Table B.2-1, PS3.7 Annex C.
TABLE: Final = (
    Row(Unauthenticated, HTTPStatus.UNAUTHORIZED, 0x0124),
    Row(FactorMissing, HTTPStatus.UNAUTHORIZED, 0x0124),
    Row(InvalidCredentials, HTTPStatus.UNAUTHORIZED, 0x0124),
    Row(MethodNotAllowed, HTTPStatus.METHOD_NOT_ALLOWED, 0x0110),
    Row(errors.NotFound, HTTPStatus.NOT_FOUND, 0x0110),
    Row(errors.Gone, HTTPStatus.GONE, 0x0110),
    Row(errors.Forbidden, HTTPStatus.FORBIDDEN, 0x0124),
    Row(errors.Conflict, HTTPStatus.CONFLICT, 0x0110),
    Row(errors.PreconditionFailed, HTTPStatus.PRECONDITION_FAILED, 0x0110),
    Row(errors.MalformedMultipart, HTTPStatus.BAD_REQUEST, 0xC000),
    Row(errors.InvalidField, HTTPStatus.BAD_REQUEST, 0x0110),
    Row(errors.BadRequest, HTTPStatus.BAD_REQUEST, 0x0110),
    Row(errors.NotAcceptable, HTTPStatus.NOT_ACCEPTABLE, 0x0110),
    Row(errors.UnsupportedMediaType, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, 0x0110),
    Row(errors.LengthRequired, HTTPStatus.LENGTH_REQUIRED, 0x0110),
    Row(errors.RangeNotSatisfiable, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0x0110),
    Row(errors.TooBroad, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, 0x0110),
    Row(errors.QuotaExceeded, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, 0xA700),
    Row(errors.TooManyRequests, HTTPStatus.TOO_MANY_REQUESTS, 0xA700),
    Row(errors.NotDicom, HTTPStatus.CONFLICT, 0xC000),
    Row(errors.TruncatedInstance, HTTPStatus.CONFLICT, 0xC000),
    Row(errors.MalformedInstance, HTTPStatus.CONFLICT, 0xC000),
    Row(errors.UnsafeInstance, HTTPStatus.CONFLICT, 0x0110),
    Row(errors.WrongStudy, HTTPStatus.CONFLICT, 0xA901),
    Row(errors.MissingBulkData, HTTPStatus.CONFLICT, 0xA922),
    Row(errors.UnsupportedSyntax, HTTPStatus.CONFLICT, 0xC122),
    Row(errors.UnsupportedClass, HTTPStatus.CONFLICT, 0x0122),
    Row(errors.InstanceRefused, HTTPStatus.CONFLICT, 0xC000),
    Row(errors.Refused, HTTPStatus.BAD_REQUEST, 0x0110),
    Row(errors.StorageFull, HTTPStatus.INSUFFICIENT_STORAGE, 0xA700),
    Row(errors.StorageUnavailable, HTTPStatus.SERVICE_UNAVAILABLE, 0xA700),
    Row(errors.KeyUnavailable, HTTPStatus.SERVICE_UNAVAILABLE, 0x0110),
    Row(errors.SandboxUnavailable, HTTPStatus.SERVICE_UNAVAILABLE, 0x0110),
    Row(errors.ScannerUnavailable, HTTPStatus.SERVICE_UNAVAILABLE, 0x0110),
    Row(errors.Busy, HTTPStatus.SERVICE_UNAVAILABLE, 0xA700),
    Row(errors.Unavailable, HTTPStatus.SERVICE_UNAVAILABLE, 0xA700),
    Row(OperationalError, HTTPStatus.SERVICE_UNAVAILABLE, 0xA700),
    Row(InterfaceError, HTTPStatus.SERVICE_UNAVAILABLE, 0xA700),
    Row(errors.Integrity, HTTPStatus.INTERNAL_SERVER_ERROR, 0x0110),
    Row(errors.SandboxKilled, HTTPStatus.INTERNAL_SERVER_ERROR, 0x0110),
    Row(errors.ExchangeError, HTTPStatus.INTERNAL_SERVER_ERROR, 0x0110),
    Row(Exception, HTTPStatus.INTERNAL_SERVER_ERROR, 0x0110),
)
_INVALID_CREDENTIAL: Final = "The credential is unknown, expired or revoked. Ask your administrator for a new one."
_UNEXPECTED: Final = "Something went wrong on our side. Try again; if it persists, tell the operator of this exchange."


def row_of(error: Exception) -> Row:
    """The row of the table that an error falls under."""
    return next(row for row in TABLE if isinstance(error, row.error))


def problem(error: Exception, request: HttpRequest | None = None) -> HttpResponse:
    """The answer to an error as problem+json; it depends on the error alone, never on what was asked for.

    An error that nobody foresaw is logged by its class: its text could hold anything.
    """
    row = row_of(error)
    if row.error is Exception or row.error is errors.Integrity:
        route = getattr(getattr(request, "resolver_match", None), "view_name", "")
        logger.error("unexpected %s in %s at %s", type(error).__name__, route, _place(error))
    body = {
        "type": "about:blank",
        "title": row.status.phrase,
        "status": row.status.value,
        "detail": sentence_of(error),
    }
    response = HttpResponse(json.dumps(body), status=row.status.value, content_type="application/problem+json")
    for name, value in _headers(error, row).items():
        response[name] = value
    return response


def sentence_of(error: Exception) -> str:
    """What may be said of an error to anybody: no patient data, no path, no trace."""
    if isinstance(error, errors.ExchangeError):
        return error.sentence
    if isinstance(error, InvalidCredentials):
        return _INVALID_CREDENTIAL
    if isinstance(error, OperationalError | InterfaceError):  # the database is away, restarting or full
        return errors.Unavailable.sentence
    return _UNEXPECTED


def _headers(error: Exception, row: Row) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if row.status == HTTPStatus.UNAUTHORIZED:
        invalid = isinstance(error, InvalidCredentials)
        headers["WWW-Authenticate"] = CHALLENGE + (', error="invalid_token"' if invalid else "")
    elif isinstance(error, errors.RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.size}"
    elif isinstance(error, errors.TooManyRequests):
        headers["Retry-After"] = str(error.retry_after)
    elif isinstance(error, MethodNotAllowed):
        headers["Allow"] = error.allowed
    elif row.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(_RETRY_AFTER)
    return headers


def _place(error: BaseException) -> str:
    """Where an error was raised: file and line, nothing that was read."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def as_markdown() -> str:
    """The table as docs/errors.md shows it."""
    lines = [
        "# Errors",
        "",
        "Written from `exchange/problems.py` by `manage.py write_errors`; do not edit.",
        "Over HTTP the sentence is the `detail` of an `application/problem+json` body (RFC 9457). The code is the",
        "Failure Reason of a Store response (PS3.18 Table 10.5.3-1) and the status of a C-STORE response (PS3.4",
        "Table B.2-1).",
        "",
        "| error | HTTP | code | sentence |",
        "|---|---|---|---|",
    ]
    for row in TABLE:
        sentence = row.error.sentence if issubclass(row.error, errors.ExchangeError) else sentence_of(row.error())
        name = "anything else" if row.error is Exception else row.error.__name__
        lines.append(f"| {name} | {row.status.value} {row.status.phrase} | {row.code:04X} | {sentence} |")
    return "\n".join(lines) + "\n"
