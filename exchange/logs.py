"""Logs: one JSON object a line, made of allowed fields alone.

Identifiers of patients come in query strings, tokens in paths, names in bodies, and libraries put all of them into
their messages. So nothing is filtered out; a line is built from what is known to be harmless. Of a library's message
only its logger, its place and the class of the exception are kept; of a request the route's name, never its path.
"""

import json
import logging
import logging.config
import re
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

FIELDS: Final = frozenset(
    {"event", "route", "method", "status", "ms", "bytes", "request", "principal", "transfer", "job", "error", "at"}
)
# Our own sentences hold ids, counts and classes (CONTRIBUTING.md); Celery's hold the ids of jobs.
_OURS: Final = ("exchange", "transfers", "accounts", "celery")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Asked every few seconds by machines that only want to know whether we live.
_QUIET: Final = frozenset({"healthz", "readyz", "metrics"})
_KEY: Final = re.compile(r"Bearer wsk_([0-9a-f]{16})_", re.IGNORECASE)
_LONGEST: Final = 500
_FRAMES: Final = 8

_request: ContextVar[str] = ContextVar("request", default="")
access = logging.getLogger("exchange.access")

# They write what they read: element values into warnings, addresses and titles into debug lines.
_SILENT: Final = ("pydicom", "pynetdicom", "PIL")
LOGGING: Final[dict[str, Any]] = {  # Any: logging.config's own format
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"lines": {"()": "exchange.logs.Lines"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "lines"},
        "nowhere": {"class": "logging.NullHandler"},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # Django's own handlers write paths, and mail whole requests to administrators.
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.request": {"handlers": [], "level": "ERROR", "propagate": True},
        "django.server": {"handlers": [], "level": "ERROR", "propagate": True},
        **{name: {"handlers": ["nowhere"], "level": "CRITICAL", "propagate": False} for name in _SILENT},
    },
}


def configure(configuration: Mapping[str, Any]) -> None:  # Any: as above
    """What settings.LOGGING_CONFIG names: set the logs up, warnings included, for they quote what they warn of."""
    logging.config.dictConfig(dict(configuration))
    logging.captureWarnings(True)


class Lines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if _is_ours(record.name):
            line["event"] = record.getMessage()[:_LONGEST]
        else:
            line["at"] = f"{record.module}:{record.lineno}"
        if request := _request.get():
            line["request"] = request
        line |= _allowed(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["at"] = _places(record.exc_info[2])
        return json.dumps(line, ensure_ascii=True)


class AccessLog:
    """One line a request, when its last byte has left or its caller has gone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        begun = time.monotonic()
        ident = uuid.uuid4().hex[:16]
        token = _request.set(ident)
        try:
            response = self._get_response(request)
        finally:
            _request.reset(token)
        entry = _Entry(request, response, ident=ident, begun=begun)
        if isinstance(response, StreamingHttpResponse):
            response.streaming_content = _Measured(response, entry)
        elif not response.streaming:
            entry.write(len(getattr(response, "content", b"")))
        return response


class _Entry:
    """What will be said of one request, once its length and its time are known."""

    def __init__(self, request: HttpRequest, response: HttpResponseBase, *, ident: str, begun: float) -> None:
        self._request, self._response, self._ident, self._begun = request, response, ident, begun
        self._is_written = False

    def write(self, byte_count: int) -> None:
        if self._is_written:
            return
        self._is_written = True
        match = self._request.resolver_match
        route = match.view_name if match else "none"
        fields = {
            "route": route,
            "method": self._request.method if self._request.method in _METHODS else "other",
            "status": self._response.status_code,
            "ms": round((time.monotonic() - self._begun) * 1000, 1),
            "bytes": byte_count,
            "request": self._ident,
            "principal": _principal(self._request),
            "transfer": str(match.kwargs.get("transfer_id", "")) if match else "",
        }
        access.log(logging.DEBUG if route in _QUIET else logging.INFO, "request", extra={"fields": fields})


class _Measured:
    """The chunks of a streamed answer, counted."""

    def __init__(self, response: StreamingHttpResponse, entry: _Entry) -> None:
        self._chunks: Iterator[bytes] = iter(response)
        self._entry, self._count = entry, 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            chunk = next(self._chunks)
        except BaseException:
            self._entry.write(self._count)
            raise
        self._count += len(chunk)
        return chunk

    def close(self) -> None:
        self._entry.write(self._count)


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in _OURS


def _allowed(fields: object) -> dict[str, object]:
    if not isinstance(fields, Mapping):
        return {}
    return {
        name: value[:_LONGEST] if isinstance(value, str) else value
        for name, value in fields.items()
        if name in FIELDS and isinstance(value, str | int | float) and value != ""
    }


def _principal(request: HttpRequest) -> str:
    """Who called, as far as it can be told without asking anybody: the public half of a key, a person, a link."""
    if key := _KEY.match(request.META.get("HTTP_AUTHORIZATION", "")):
        return f"key:{key[1]}"
    user = getattr(request, "_cached_user", None)
    if user is not None and user.pk is not None:
        return f"user:{user.pk}"
    match = request.resolver_match
    grant_id = match.kwargs.get("grant_id") if match else None
    return f"link:{grant_id}" if isinstance(grant_id, int) else ""


def _places(trace: TracebackType | None) -> str:
    """Where an exception came from, as files and lines; its text could hold anything."""
    frames = traceback.extract_tb(trace)[-_FRAMES:]
    return " > ".join(f"{Path(frame.filename).stem}:{frame.lineno}" for frame in frames)
