"""The resources of DICOMweb below each of their roots (DICOM PS3.18 Tables 10.4.1-1, 10.5.1-1 and 10.6.1-1).

`dicomweb/` shows all the caller's open deliveries and takes drafts; `dicomweb/transfers/{id}/` one transfer;
`dicomweb/to/{address}/` only takes; `g/{grant}/dicomweb/` gives what is behind a link.
"""

from django.urls import URLPattern, include, path, re_path

from exchange.dicomweb import bulk, capabilities, commitment, guard, rendered, retrieve, search, store
from exchange.dicomweb.capabilities import Names, Patterns
from exchange.dicomweb.guard import ByMethod, Handler, Reading, View

STUDY = "studies/<str:study>"
SERIES = f"{STUDY}/series/<str:series>"
INSTANCE = f"{SERIES}/instances/<str:instance>"


def _resource(route: str, name: str, **handlers: Handler) -> URLPattern:
    return path(route, ByMethod(OPTIONS=capabilities.Describing(_patterns_of), **handlers), name=name)


def _reads(route: str, view: View, name: str) -> URLPattern:
    return _resource(route, name, GET=Reading(view))


def _commitment() -> URLPattern:
    route = "commitment-requests/<str:transaction>"
    return path(route, ByMethod(GET=commitment.read, POST=commitment.ask), name="commitment")


def _patterns_of(names: Names) -> Patterns:
    """What lies below the root that a URL lies under."""
    if "address" in names:
        return _to
    if "grant_id" in names:
        return below_link
    return _below_both if "transfer_id" in names else urlpatterns


_below_all: Patterns = [
    _reads("", guard.nowhere, "root"),
    _reads("series", search.all_series, "search-all-series"),
    _reads("instances", search.all_instances, "search-all-instances"),
    _reads(f"{STUDY}/series", search.study_series, "search-study-series"),
    _reads(f"{STUDY}/instances", search.study_instances, "search-study-instances"),
    _reads(f"{STUDY}/metadata", retrieve.metadata, "study-metadata"),
    _reads(f"{STUDY}/rendered", rendered.study, "study-rendered"),
    _reads(f"{STUDY}/thumbnail", rendered.thumbnail, "study-thumbnail"),
    _reads(SERIES, retrieve.series, "series"),
    _reads(f"{SERIES}/instances", search.series_instances, "search-series-instances"),
    _reads(f"{SERIES}/metadata", retrieve.metadata, "series-metadata"),
    _reads(f"{SERIES}/rendered", rendered.series, "series-rendered"),
    _reads(f"{SERIES}/thumbnail", rendered.thumbnail, "series-thumbnail"),
    _reads(INSTANCE, retrieve.instance, "instance"),
    _reads(f"{INSTANCE}/metadata", retrieve.metadata, "instance-metadata"),
    _reads(f"{INSTANCE}/rendered", rendered.instance, "instance-rendered"),
    _reads(f"{INSTANCE}/thumbnail", rendered.thumbnail, "instance-thumbnail"),
    _reads(f"{INSTANCE}/frames/<str:numbers>", retrieve.frames, "frames"),
    _reads(f"{INSTANCE}/frames/<str:numbers>/rendered", rendered.frames, "frames-rendered"),
    _reads(f"{INSTANCE}/frames/<str:numbers>/thumbnail", rendered.thumbnail, "frames-thumbnail"),
    _reads(f"{STUDY}/bulkdata", bulk.everything, "study-bulkdata"),
    _reads(f"{STUDY}/pixeldata", bulk.pixeldata, "study-pixeldata"),
    _reads(f"{SERIES}/bulkdata", bulk.everything, "series-bulkdata"),
    _reads(f"{SERIES}/pixeldata", bulk.pixeldata, "series-pixeldata"),
    _reads(f"{INSTANCE}/bulkdata", bulk.everything, "instance-bulkdata"),
    _reads(f"{INSTANCE}/pixeldata", bulk.pixeldata, "instance-pixeldata"),
    _reads(f"{INSTANCE}/bulkdata/<path:path>", bulk.bulkdata, "bulkdata"),
]
_below_both: Patterns = [
    _resource("studies", "studies", GET=Reading(search.studies), POST=store.store),
    _resource(STUDY, "study", GET=Reading(retrieve.study), POST=store.store),
    *_below_all,
    _commitment(),
]
_to: Patterns = [
    _reads("", guard.nowhere, "root"),
    _resource("studies", "store-to", POST=store.store),
    _resource(STUDY, "store-study-to", POST=store.store),
    _commitment(),
]

_nowhere = re_path(r"^.*$", ByMethod(GET=Reading(guard.nowhere)), name="nowhere")
# Behind a link, where nothing is stored.
below_link: Patterns = [
    _reads("studies", search.studies, "studies"),
    _reads(STUDY, retrieve.study, "study"),
    *_below_all,
    _nowhere,
]

app_name = "dicomweb"
urlpatterns: Patterns = [
    *_below_both,
    path("transfers/<uuid:transfer_id>/", include((_below_both, "transfer"))),
    path("to/<str:address>/", include((_to, "to"))),
    _nowhere,
]
