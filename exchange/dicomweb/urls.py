"""The resources of DICOMweb below each of their two roots (DICOM PS3.18 Tables 10.4.1-1, 10.5.1-1 and 10.6.1-1).

`dicomweb/` shows all the caller's open deliveries and takes drafts; `dicomweb/transfers/{id}/` one transfer;
`dicomweb/to/{address}/` only takes.
"""

from django.urls import URLPattern, URLResolver, include, path, re_path

from exchange.dicomweb import guard, rendered, retrieve, search, store
from exchange.dicomweb.guard import View, by_method, reading

STUDY = "studies/<str:study>"
SERIES = f"{STUDY}/series/<str:series>"
INSTANCE = f"{SERIES}/instances/<str:instance>"


def _reads(route: str, view: View, name: str) -> URLPattern:
    return path(route, by_method(GET=reading(view)), name=name)


_below_both: list[URLPattern | URLResolver] = [
    path("studies", by_method(GET=reading(search.studies), POST=store.store), name="studies"),
    path(STUDY, by_method(GET=reading(retrieve.study), POST=store.store), name="study"),
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
    _reads(f"{INSTANCE}/bulkdata/<path:path>", retrieve.bulkdata, "bulkdata"),
]
_to: list[URLPattern | URLResolver] = [
    path("studies", by_method(POST=store.store), name="store-to"),
    path(STUDY, by_method(POST=store.store), name="store-study-to"),
]

app_name = "dicomweb"
urlpatterns: list[URLPattern | URLResolver] = [
    *_below_both,
    path("transfers/<uuid:transfer_id>/", include((_below_both, "transfer"))),
    path("to/<str:address>/", include((_to, "to"))),
    re_path(r"^.*$", by_method(GET=reading(guard.nowhere)), name="nowhere"),
]
