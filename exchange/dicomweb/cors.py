"""Answers that scripts of other sites may read (Fetch Standard, CORS protocol).

Each organisation lists the origins of its viewers. A page is let read what it asks for with a key of an organisation
that lists it; a cookie never counts, for browsers are never told that credentials of theirs are welcome. What a
preflight learns is that somebody here lists its origin.
"""

from collections.abc import Collection
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from accounts import origins
from accounts.principals import Principal

_REQUESTED: Final = "HTTP_ACCESS_CONTROL_REQUEST_METHOD"
_SENT: Final = ("Accept", "Authorization", "Content-Type", "If-None-Match", "If-Range", "Range")
# Beside those that any page may read (Fetch Standard, CORS-safelisted response-header name).
EXPOSED: Final = (
    *("Accept-Ranges", "Allow", "Content-Disposition", "Content-Location", "Content-Range", "ETag", "Location"),
    *("Retry-After", "Warning"),
)
_REMEMBERED_SECONDS: Final = 600


def is_preflight(request: HttpRequest) -> bool:
    return request.method == "OPTIONS" and "HTTP_ORIGIN" in request.META and _REQUESTED in request.META


def preflight(request: HttpRequest, *, allowed: str) -> HttpResponse:
    """The answer to a browser that asks beforehand, without any credential; the same whatever the path names."""
    response = HttpResponse(status=204)
    if (origin := _origin(request)) and origins.is_listed(origin):
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Allow-Methods"] = allowed
        response["Access-Control-Allow-Headers"] = ", ".join(_SENT)
        response["Access-Control-Max-Age"] = str(_REMEMBERED_SECONDS)
    patch_vary_headers(response, ["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"])
    return response


def expose(request: HttpRequest, response: HttpResponseBase, *, who: Principal | None) -> HttpResponseBase:
    """Let the page that asked read an answer, where the organisation of the key lists its origin."""
    origin = _origin(request)
    if origin and who is not None and who.kind == "key" and origins.is_listed(origin, by=_organizations(who)):
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Expose-Headers"] = ", ".join(EXPOSED)
    patch_vary_headers(response, ["Origin"])
    return response


def _origin(request: HttpRequest) -> str:
    """The origin of the page that asks; none for `null`, which any page can be."""
    origin: str = request.META.get("HTTP_ORIGIN", "")
    return origin if len(origin) <= 255 and origin.startswith(("https://", "http://")) else ""


def _organizations(who: Principal) -> Collection[int]:
    return {place.organization_id for place in who.places}
