"""Search: QIDO-RS for studies, series and instances (DICOM PS3.18 Section 10.6)."""

import json
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from exchange import bodies
from exchange.dicomweb import negotiation, responses
from exchange.dicomweb.guard import Root
from transfers import errors, retrieving, searching
from transfers.formats import multipart, nativexml
from transfers.searching import Level, Query, Results, Scope

FORM: Final = "application/x-www-form-urlencoded"
MAX_FORM: Final = 64 << 10
_STUDY, _SERIES, _INSTANCE = Level.STUDY, Level.SERIES, Level.INSTANCE


def studies(request: HttpRequest, root: Root) -> HttpResponseBase:
    """`/studies`"""
    return _answer(request, root, _STUDY, keys_of=[_STUDY])


def studies_by_form(request: HttpRequest, root: Root) -> HttpResponseBase:
    """`POST /studies` with a form: the same keys, in the body, where no log of URLs finds them.

    The standard has no such request; a Store of this media type would be refused.
    """
    octets = b""
    for chunk in bodies.read_chunks(request):
        octets += chunk
        if len(octets) > MAX_FORM:
            raise errors.TooBroad("The keys of a search have at most 64 KiB.")
    return _answer(request, root, _STUDY, keys_of=[_STUDY], pairs=_read_pairs(octets))


def all_series(request: HttpRequest, root: Root) -> HttpResponseBase:
    """`/series`"""
    return _answer(request, root, _SERIES, keys_of=[_STUDY, _SERIES])


def study_series(request: HttpRequest, root: Root, *, study: str) -> HttpResponseBase:
    """`/studies/{study}/series`"""
    return _answer(request, root, _SERIES, keys_of=[_SERIES], study=study)


def all_instances(request: HttpRequest, root: Root) -> HttpResponseBase:
    """`/instances`"""
    return _answer(request, root, _INSTANCE, keys_of=[_STUDY, _SERIES, _INSTANCE])


def study_instances(request: HttpRequest, root: Root, *, study: str) -> HttpResponseBase:
    """`/studies/{study}/instances`"""
    return _answer(request, root, _INSTANCE, keys_of=[_SERIES, _INSTANCE], study=study)


def series_instances(request: HttpRequest, root: Root, *, study: str, series: str) -> HttpResponseBase:
    """`/studies/{study}/series/{series}/instances`"""
    return _answer(request, root, _INSTANCE, keys_of=[_INSTANCE], study=study, series=series)


def _answer(
    request: HttpRequest,
    root: Root,
    level: Level,
    *,
    keys_of: Iterable[Level],
    study: str = "",
    series: str = "",
    pairs: Iterable[tuple[str, str]] | None = None,
) -> HttpResponseBase:
    choice = negotiation.choose(request, negotiation.MODELS)
    query = searching.parse(level, _pairs(request) if pairs is None else pairs, levels=keys_of)
    (seen,) = root.sights() if root.transfer_id is not None else (None,)
    scope = Scope(root.who, root.base_url, seen=seen, study_instance_uid=study, series_instance_uid=series)
    results = searching.search(scope, query)
    response = _response(results, choice)
    for warning in _warnings(query, results):
        # Several values of one header are one value with commas (RFC 9110 Section 5.2).
        response["Warning"] = f"{response['Warning']}, {warning}" if "Warning" in response else warning
    return response


def _response(results: Results, choice: negotiation.Choice) -> HttpResponseBase:
    if not results.records:
        return HttpResponse(status=204, headers={"Cache-Control": "private, no-store"})
    if choice.is_multipart:
        return _native(results)
    body = json.dumps(results.records, ensure_ascii=False, separators=(",", ":")).encode()
    return responses.model_response(body, media_type=str(choice.offer))


def _native(results: Results) -> HttpResponseBase:
    """A part a match; a match is no resource, so no part has a location (PS3.18 Section 10.6.3.2)."""
    documents = [nativexml.encode_members(record) for record in results.records]
    boundary = retrieving.tag(*documents).encode()
    head = multipart.part_header(boundary, content_type=nativexml.MEDIA_TYPE)
    body = b"".join([head + document for document in documents]) + multipart.closing(boundary)
    media_type = f'multipart/related; type="{nativexml.MEDIA_TYPE}"; boundary={boundary.decode()}'
    return responses.model_response(body, media_type=media_type)


def _warnings(query: Query, results: Results) -> list[str]:
    texts = list(query.warnings)
    if results.remaining:
        texts.append(f"There are {results.remaining} additional results that can be requested")
    return [f"299 {settings.PUBLIC_URL}/dicomweb: {text}" for text in texts]


def _pairs(request: HttpRequest) -> list[tuple[str, str]]:
    return _read_pairs(request.META.get("QUERY_STRING", ""))


def _read_pairs(text: str | bytes) -> list[tuple[str, str]]:
    try:
        text = text.decode() if isinstance(text, bytes) else text
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError:
        raise errors.BadRequest("The query cannot be read: it is not UTF-8, or has too many parameters.") from None
