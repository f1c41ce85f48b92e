"""Retrieve Capabilities: what is offered below a root (DICOM PS3.18 Section 8.9 and Annex H).

Made from the routes themselves, and from the media types that the views negotiate; a test asks for each of them.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver
from django.urls.resolvers import RoutePattern

from exchange.dicomweb import bulk, guard, negotiation, rendered, retrieve, search, store, wadl, wishes
from exchange.dicomweb.guard import ByMethod, Reading
from exchange.dicomweb.wadl import Method, Param, Resource
from transfers import errors, searching
from transfers.formats.mediatypes import MediaType
from transfers.searching import Level

Patterns = list[URLPattern | URLResolver]
Names = Mapping[str, object]
_OFFERS: Final = (MediaType("application", "vnd.sun.wadl+xml"), MediaType("application", "json"))
# The names of Table H-1 for what our routes call otherwise.
_NAMES: Final = {
    "study": "StudyInstance",
    "series": "SeriesInstance",
    "instance": "SOPInstance",
    "numbers": "framelist",
}
# Routes of other services than that of studies, of which a description tells (Annex H).
_OTHERS: Final = frozenset({"commitment"})
_PLACEHOLDER: Final = re.compile(r"<(?:[a-z]+:)?(\w+)>")


@dataclass(frozen=True, slots=True)
class Described:
    """What one view does, whatever it lies under."""

    verb: str
    gives: Sequence[MediaType | str]
    params: Sequence[Param] = ()
    takes: Sequence[MediaType | str] = ()
    success: str = "200 206 304"
    failure: str = "400 401 403 404 406 410 416 503"


def _searched(*levels: Level) -> Described:
    keys = [Param(name) for pair in searching.matching_keys(levels) for name in pair]
    numbers = [Param(name, type="xs:nonNegativeInteger") for name in ("limit", "offset")]
    # True is answered with a Warning that nothing has come of it.
    switches = [
        Param(name, type="xs:boolean") for name in ("fuzzymatching", "emptyvaluematching", "multiplevaluematching")
    ]
    fields = Param("includefield", options=("all", *dict.fromkeys(key.name.partition(".")[0] for key in keys)))
    params = [*keys, *numbers, *switches, fields]
    return Described(
        "SearchFor", negotiation.MODELS, params, success="200 204", failure="400 401 403 404 406 410 413 503"
    )


_FRAMES: Final = list(dict.fromkeys([negotiation.OCTETS, *negotiation.MEDIA_TYPES.values()]))
_CHARSET: Final = Param("charset")
_VIEWPORT: Final = Param("viewport")
_DISPLAY: Final = (
    Param("annotation", options=wishes.ANNOTATIONS),
    Param("quality", type="xs:positiveInteger"),
    _VIEWPORT,
    Param("window"),
    Param("iccprofile", options=("no",)),
)
_PARTS: Final = [negotiation.multipart_of(name) for name in rendered.IMAGES]
_PICTURES: Final[list[MediaType | str]] = [*rendered.IMAGES, *_PARTS]
_OCTETS: Final = negotiation.multipart_of(negotiation.OCTETS)
_SEVERAL: Final = [negotiation.multipart_of(negotiation.DICOM), negotiation.ZIP, _OCTETS]
_LARGE: Final = "400 401 403 404 406 410 413 416 503"
_Retrieved = partial(Described, "Retrieve")

DESCRIBED: Final[Mapping[Callable[..., Any], Described]] = {  # Any: views are called with the names of their routes
    search.studies: _searched(Level.STUDY),
    search.all_series: _searched(Level.STUDY, Level.SERIES),
    search.study_series: _searched(Level.SERIES),
    search.all_instances: _searched(*Level),
    search.study_instances: _searched(Level.SERIES, Level.INSTANCE),
    search.series_instances: _searched(Level.INSTANCE),
    retrieve.study: _Retrieved(_SEVERAL),
    retrieve.series: _Retrieved(_SEVERAL),
    retrieve.instance: _Retrieved([negotiation.multipart_of(negotiation.DICOM), negotiation.DICOM, _OCTETS]),
    retrieve.metadata: _Retrieved(negotiation.MODELS, success="200 304"),
    retrieve.frames: _Retrieved([*map(negotiation.multipart_of, _FRAMES), *_FRAMES]),
    bulk.bulkdata: _Retrieved([negotiation.multipart_of(negotiation.OCTETS), negotiation.OCTETS]),
    bulk.everything: _Retrieved([_OCTETS], failure=_LARGE),
    bulk.pixeldata: _Retrieved([*map(negotiation.multipart_of, _FRAMES)], failure=_LARGE),
    rendered.study: _Retrieved(_PARTS, _DISPLAY, success="200"),
    rendered.series: _Retrieved(_PARTS, _DISPLAY, success="200"),
    rendered.instance: _Retrieved([*_PICTURES, *rendered.PAGES, rendered.PDF], (*_DISPLAY, _CHARSET)),
    rendered.frames: _Retrieved(_PICTURES, _DISPLAY),
    rendered.thumbnail: _Retrieved(rendered.THUMBNAILS, (_VIEWPORT,)),
    store.store: Described(
        "Store",
        store.GIVES,
        takes=store.TAKES,
        success="200 202 409",
        failure="400 401 403 404 409 410 411 413 415 503 507",
    ),
}


class Describing:
    """Answers OPTIONS: at a root with everything below it, at a resource with that and what lies below.

    `patterns_of` gives the routes of the root that a URL lies under, by the names in it. A resource is described to
    who accepts that; else the answer says its methods alone.
    """

    def __init__(self, patterns_of: Callable[[Names], Patterns]) -> None:
        self._patterns_of = patterns_of

    def __call__(self, request: HttpRequest, **names: Any) -> HttpResponseBase:  # Any: the names of a URL
        with guard.answering(request) as answer:
            guard.require_anyone(request, grant_id=names.get("grant_id"))
            answer.response = self._answer(request, names)
        return answer.response

    def _answer(self, request: HttpRequest, names: Mapping[str, Any]) -> HttpResponse:  # Any: as above
        base = guard.base_url(**{name: names[name] for name in ("transfer_id", "address", "grant_id") if name in names})
        resources = list(resources_of(self._patterns_of(names)))
        path = _template(request.resolver_match.route if request.resolver_match else "")
        here = max((one.path for one in resources if path.endswith(f"/{one.path}")), key=len, default="")
        try:
            choice = negotiation.choose(request, _OFFERS)
        except errors.NotAcceptable:
            if here:
                return HttpResponse(status=204)
            raise
        below = [one for one in resources if not here or one.path == here or one.path.startswith(f"{here}/")]
        described = wadl.describe(base, below)
        body = wadl.as_xml(described) if choice.offer == _OFFERS[0] else wadl.as_json(described)
        return HttpResponse(body, content_type=str(choice.offer), headers={"Vary": "Accept, Authorization"})


def resources_of(patterns: Patterns, *, prefix: str = "", namespace: str = "") -> Iterator[Resource]:
    """The resources that routes lead to, those of roots within them too."""
    for pattern in patterns:
        if not isinstance(pattern.pattern, RoutePattern):  # whatever else is asked for, and is nowhere
            continue
        path = prefix + _template(str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from resources_of(pattern.url_patterns, prefix=path, namespace=f"{pattern.namespace}-")
        elif pattern.name in _OTHERS:
            continue
        elif isinstance(pattern.callback, ByMethod) and not path.endswith("/") and path:
            yield Resource(path, list(_methods(pattern.callback, f"{namespace}{pattern.name}")))


def _methods(resource: ByMethod, name: str) -> Iterator[Method]:
    for method, handler in resource.handlers.items():
        if method == "OPTIONS":  # a description does not describe itself (Annex H)
            continue
        one = DESCRIBED[handler.view if isinstance(handler, Reading) else handler]
        title = "".join(word.capitalize() for word in name.split("-") if word not in ("search", "store"))
        yield Method(
            name=method,
            ident=f"{one.verb}{title}",
            params=one.params,
            takes=[str(media_type) for media_type in one.takes],
            gives=[str(media_type) for media_type in one.gives],
            success=one.success,
            failure=one.failure,
        )


def _template(route: str) -> str:
    """A route as a URI template (RFC 6570)."""
    return _PLACEHOLDER.sub(lambda found: f"{{{_NAMES.get(found[1], found[1])}}}", route)
