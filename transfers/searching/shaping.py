"""What a match looks like in an answer (DICOM PS3.18 Tables 10.6.3-3 to 10.6.3-5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from accounts.principals import Principal
from transfers.access import Sight
from transfers.retrieving import InstanceItem
from transfers.searching import attributes, counting
from transfers.searching.attributes import Level
from transfers.searching.query import Query
from transfers.searching.shelf import Record, Study


@dataclass(frozen=True, slots=True)
class Scope:
    """What is searched: all the caller's open deliveries, or one transfer; narrowed to a study or series of a URL."""

    who: Principal
    base_url: str
    seen: Sight | None = None
    study_instance_uid: str = ""
    series_instance_uid: str = ""


@dataclass(frozen=True, slots=True)
class Search:
    """One search; `rejected` are rows of studies in which a rejection note hides something."""

    scope: Scope
    query: Query
    rejected: frozenset[int]


@dataclass(frozen=True, slots=True)
class Series:
    """One Series Instance UID of a study; `pks` are the rows that share it."""

    pk: int
    study: Study
    seen: Sight
    uid: str
    record: Record
    pks: tuple[int, ...]


def study_records(studies: Sequence[Study], search: Search) -> list[Record]:
    """PS3.18 Table 10.6.3-3."""
    counting.fill_modalities(studies, search.rejected)
    counts = counting.counts_of(studies, search.rejected)
    return [
        _shaped(
            with_modalities(study),
            Level.STUDY,
            search.query,
            computed={
                attributes.AVAILABILITY: "ONLINE",
                attributes.RETRIEVE_URL: f"{search.scope.base_url}/studies/{study.uid}",
                attributes.STUDY: study.uid,
                attributes.STUDY_SERIES: counts[study.uid].series,
                attributes.STUDY_INSTANCES: counts[study.uid].instances,
            },
        )
        for study in studies
    ]


def series_records(found: Sequence[Series], search: Search) -> list[Record]:
    """PS3.18 Table 10.6.3-4, with the study's attributes where the resource spans studies."""
    counts = counting.count_series([one.pks for one in found])
    above = _studies_above(found, search)
    return [
        _joined(
            above.get(one.study.uid, {}),
            _shaped(
                one.record,
                Level.SERIES,
                search.query,
                computed={
                    attributes.RETRIEVE_URL: f"{search.scope.base_url}/studies/{one.study.uid}/series/{one.uid}",
                    attributes.STUDY: one.study.uid,
                    attributes.SERIES: one.uid,
                    attributes.SERIES_INSTANCES: count,
                },
            ),
        )
        for one, count in zip(found, counts, strict=True)
    ]


def instance_records(
    items: Sequence[InstanceItem], opened: Mapping[int, Record], series: Sequence[Series], search: Search
) -> list[Record]:
    """PS3.18 Table 10.6.3-5, with the attributes of `series` and their studies where the resource spans them."""
    above = {
        (one.study.uid, one.uid): record for one, record in zip(series, series_records(series, search), strict=True)
    }
    return [
        _joined(
            above.get((item.study_instance_uid, item.series_instance_uid), {}),
            _shaped(
                opened[item.pk],
                Level.INSTANCE,
                search.query,
                computed={
                    attributes.AVAILABILITY: "ONLINE",
                    attributes.RETRIEVE_URL: search.scope.base_url + item.path,
                    attributes.TRANSFER_SYNTAXES: item.transfer_syntax_uid,
                },
            ),
        )
        for item in items
    ]


def with_modalities(study: Study) -> Record:
    """The study's record with Modalities in Study (0008,0061) over what the caller may see.

    A study without any has an empty list of values, not no list: a viewer counts it (docs/conformance.md, Deviations).
    """
    return {**study.record, attributes.MODALITIES: {"vr": "CS", "Value": list(study.modalities or ())}}


def _studies_above(found: Sequence[Series], search: Search) -> dict[str, Record]:
    """The study's attributes: all where studies are spanned, else those that were asked for."""
    query = search.query
    spans = Level.STUDY in query.levels
    if not spans and not query.included:
        return {}
    studies = {one.study.uid: one.study for one in found}
    records = study_records(list(studies.values()), search)
    if not spans:
        records = [{tag: value for tag, value in record.items() if tag in query.included} for record in records]
    return dict(zip(studies, records, strict=True))


def _shaped(record: Record, level: Level, query: Query, *, computed: Mapping[str, Any]) -> Record:  # Any: a value
    """What is returned of a record: what the standard requires, empty where unknown, and what was asked for."""
    required = attributes.REQUIRED[level]
    shaped = {tag: record.get(tag, {"vr": vr}) for tag, vr in required.items()}
    for tag, value in computed.items():
        if tag in required or tag in query.included or query.includes_all:
            shaped[tag] = {"vr": required.get(tag, "UI"), "Value": [value]}
    wanted = attributes.IF_KNOWN[level] | query.included
    for tag, attribute in record.items():
        if tag not in shaped and (tag in wanted or (query.includes_all and level == query.level)):
            shaped[tag] = attribute
    return _joined({}, shaped)


def _joined(above: Record, own: Record) -> Record:
    """Ascending tags (PS3.18 Section F.2.2), and the character set where any text needs it: JSON is UTF-8."""
    record = {**above, **own}
    if not str(record).isascii():
        record[attributes.SPECIFIC_CHARACTER_SET] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return dict(sorted(record.items()))
