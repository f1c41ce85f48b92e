"""What phases hand over, over HTTP: length, range, tag (RFC 9110 Sections 8.8.3, 13 and 14).

Every door that answers with stored bytes does it here.
"""

import re
from collections.abc import Iterator
from typing import Final

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from accounts.principals import Principal
from exchange import pulls
from transfers import access, errors, retrieving
from transfers.retrieving import Answer

_RANGE: Final = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))")
_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"|\*')


def respond(request: HttpRequest, answer: Answer, *, who: Principal, of: int | None = None) -> HttpResponseBase:
    """Send an answer, the part of it that a range names, or word that the caller has it already.

    Only bytes that were sent are recorded: not a HEAD, not a 304. What the holder of a link pulls is counted, and
    Gone is raised where its sender allows no more; a part counts as its share of the whole, whose size is `of`.
    """
    grant_id = access.grant_of(who)
    if grant_id is None or answer.kind != "pulled":
        return _respond(request, answer, who=who)
    return pulls.counted(grant_id, size=answer.size, of=of, respond=lambda: _respond(request, answer, who=who))


def hand_out(request: HttpRequest, answer: Answer, *, who: Principal, of: int | None = None) -> HttpResponseBase:
    """The same for what somebody sent us, opened by itself in a browser: saved, never shown, guessed at or run."""
    response = respond(request, answer, who=who, of=of)
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


def not_modified(request: HttpRequest, etag: str) -> HttpResponse | None:
    """The answer to a caller who has what it asks for."""
    _ensure_match(request, etag)
    if not _has_it(request, etag):
        return None
    headers = {"ETag": f'"{etag}"', "Cache-Control": "private, no-store", "Vary": "Accept, Authorization"}
    return HttpResponse(status=304, headers=headers)


def _respond(request: HttpRequest, answer: Answer, *, who: Principal) -> HttpResponseBase:
    headers = _headers(answer)
    _ensure_match(request, answer.etag)
    if _has_it(request, answer.etag):
        return HttpResponse(status=304, headers={name: headers[name] for name in ("ETag", "Cache-Control", "Vary")})
    span = _span(request, answer)
    start, stop = span or (0, answer.size)
    headers["Content-Length"] = str(stop - start)
    if span:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{answer.size}"
    status = 206 if span else 200
    if request.method == "HEAD":
        return HttpResponse(status=status, headers=headers)
    chunks = retrieving.stream(answer, who=who, start=start, stop=stop)
    return StreamingHttpResponse(_begun(chunks), status=status, headers=headers)


def _headers(answer: Answer) -> dict[str, str]:
    headers = {
        "Content-Type": answer.media_type,
        "ETag": f'"{answer.etag}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-store",
        "Vary": "Accept, Authorization",
    }
    if answer.file_name:
        headers["Content-Disposition"] = f'attachment; filename="{answer.file_name}"'
    return headers


def _begun(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes, with the first already read: what fails at once fails with a status, not with a cut."""
    first = next(chunks, b"")
    return _Resumed(first, chunks)


class _Resumed:
    """An iterator with `close`, which Django calls when the caller goes away, so that a pull is still recorded."""

    def __init__(self, first: bytes, rest: Iterator[bytes]) -> None:
        self._first, self._rest = first, rest

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        return next(self._rest)

    def close(self) -> None:
        if close := getattr(self._rest, "close", None):
            close()


def _ensure_match(request: HttpRequest, etag: str) -> None:
    """RFC 9110 Section 13.1.1: a strong comparison; raises PreconditionFailed."""
    header = request.META.get("HTTP_IF_MATCH", "").strip()
    if header and not any(found[0] in ("*", f'"{etag}"') for found in _TAG.finditer(header)):
        raise errors.PreconditionFailed("It is not what If-Match names. Ask for it again without that.")


def _has_it(request: HttpRequest, etag: str) -> bool:
    """RFC 9110 Section 13.1.2: a weak comparison, and `*` names whatever there is."""
    tags = _TAG.finditer(request.META.get("HTTP_IF_NONE_MATCH", ""))
    return any(found[0] == "*" or found[1] == etag for found in tags)


def _span(request: HttpRequest, answer: Answer) -> tuple[int, int] | None:
    """The octets from and up to which are asked for; None for all.

    One range is honoured; several, or one that cannot be read, give everything (RFC 9110 Section 14.2).
    Raises RangeNotSatisfiable.
    """
    asked = _RANGE.fullmatch(request.META.get("HTTP_RANGE", "").strip())
    condition = request.META.get("HTTP_IF_RANGE", "").strip()
    if asked is None or (condition and condition != f'"{answer.etag}"'):
        return None
    first, last, suffix = asked.groups()
    if suffix is not None:
        start, stop = max(0, answer.size - int(suffix)), answer.size
    else:
        start, stop = int(first), min(int(last) + 1 if last else answer.size, answer.size)
        if last and int(last) < start:
            return None
    if start >= stop:
        raise errors.RangeNotSatisfiable(answer.size)
    return start, stop
