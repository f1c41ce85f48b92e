"""Answer a search at its level: find by column, match what was opened, page, and open what is shown."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from django.db import connection

from accounts import audit
from transfers import access, errors, retrieving
from transfers.retrieving import InstanceItem
from transfers.searching import attributes, counting, matching, shaping, shelf
from transfers.searching.attributes import Level
from transfers.searching.query import Query, Values
from transfers.searching.shaping import Scope, Search, Series
from transfers.searching.shelf import Record, Study

# A search that must open more than this is too broad; it can be narrowed by a UID.
MAX_OPENED: Final = 50_000
_SERIES: Final = """
    SELECT se.id, se.study_id, se.series_instance_uid, se.record
      FROM transfers_series se
     WHERE se.study_id = ANY(%s) AND se.record IS NOT NULL AND (%s::text[] IS NULL OR se.series_instance_uid = ANY(%s))
     ORDER BY se.received_at, se.id LIMIT %s
"""
_EXACT: Final = ("00100020", "00080050")
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Results:
    """One page of matches, and how many more there are."""

    records: list[Record]
    remaining: int


def search(scope: Scope, query: Query) -> Results:
    """The matches a caller may see, in the order in which they came.

    Raises TooBroad where too many records would have to be opened.
    """
    running = Search(scope, query, counting.rejected_studies())
    studies = counting.without_hidden(_match_studies(running), running.rejected)
    answer = {Level.STUDY: _studies, Level.SERIES: _series, Level.INSTANCE: _instances}[query.level]
    results = answer(studies, running)
    _audit(running, len(results.records))
    return results


def _studies(studies: list[Study], search: Search) -> Results:
    page, remaining = _page(studies, search.query)
    return Results(shaping.study_records(page, search), remaining)


def _series(studies: list[Study], search: Search) -> Results:
    page, remaining = _page(_match_series(studies, search), search.query)
    return Results(shaping.series_records(page, search), remaining)


def _instances(studies: list[Study], search: Search) -> Results:
    items, opened = _match_instances(studies, search)
    page, remaining = _page(items, search.query)
    series = _series_above(page, studies, search) if Level.SERIES in search.query.levels else []
    opened = opened or _open(page, search.scope)
    return Results(shaping.instance_records(page, opened, series, search), remaining)


def _match_studies(search: Search) -> list[Study]:
    wanted = search.query.uids.get(attributes.STUDY)
    studies = _candidates(search.scope, search.query, wanted)
    if wanted is not None:
        studies = [study for study in studies if study.uid in wanted]
    keys = search.query.keys_of(Level.STUDY)
    if not keys:
        return studies
    if any(key.path == attributes.MODALITIES for key in keys):
        counting.fill_modalities(studies, search.rejected)
    accepts = search.query.acceptor(Level.STUDY)
    return [study for study in studies if accepts(study.values)]


def _candidates(scope: Scope, query: Query, wanted: frozenset[str] | None) -> list[Study]:
    """Few studies among which is every match: found by UID, by an exact identifier, or all there are."""
    named = scope.study_instance_uid or (next(iter(wanted)) if wanted and len(wanted) == 1 else "")
    if scope.seen is not None:
        return shelf.load([scope.seen], study_instance_uid=named)
    if named:
        return shelf.load(access.sights(scope.who, study_instance_uid=named), study_instance_uid=named)
    all_of_them = shelf.of_caller(scope.who)
    for key in query.keys_of(Level.STUDY):
        if key.path in _EXACT and "*" not in key.value and "?" not in key.value:
            return all_of_them.exactly(key.path, key.value)
    return all_of_them.studies


def _match_series(studies: Sequence[Study], search: Search) -> list[Series]:
    """Series of these studies that match and of which something is shown; one UID of a study is one series."""
    by_pk = {member.pk: (study, member.seen) for study in studies for member in study.members}
    opener = shelf.Opener()
    groups: dict[tuple[str, str], list[Series]] = {}
    for pk, study_pk, uid, sealed in _series_rows(list(by_pk), search):
        study, seen = by_pk[study_pk]
        record = opener.open(seen, "series", uid, sealed)
        groups.setdefault((study.uid, uid), []).append(Series(pk, study, seen, uid, record, (pk,)))
    merged = [replace(retrieving.preferred(group), pks=tuple(one.pk for one in group)) for group in groups.values()]
    accepts = search.query.acceptor(Level.SERIES)
    accepted = [series for series in merged if accepts(_values_of(series.record))]
    doubtful = [series for series in accepted if not counting.is_plain(series.study, search.rejected)]
    counts = counting.count_series([series.pks for series in doubtful]) if doubtful else []
    hidden = {series.pks for series, count in zip(doubtful, counts, strict=True) if not count}
    return [series for series in accepted if series.pks not in hidden]


def _series_rows(study_pks: list[int], search: Search) -> list[tuple[int, int, str, bytes]]:
    wanted = search.query.uids.get(attributes.SERIES)
    named = search.scope.series_instance_uid
    uids = [named] if named else list(wanted) if wanted else None
    with connection.cursor() as cursor:
        cursor.execute(_SERIES, [study_pks, uids, uids, MAX_OPENED + 1])
        rows: list[tuple[int, int, str, bytes]] = cursor.fetchall()
    if len(rows) > MAX_OPENED:
        raise errors.TooBroad
    return rows


def _match_instances(studies: Sequence[Study], search: Search) -> tuple[list[InstanceItem], dict[int, Record]]:
    """Instances that match, and the records that had to be opened to know."""
    query = search.query
    items = _find_instances(studies, search)
    if query.keys_of(Level.SERIES):
        able = {(series.study.uid, series.uid) for series in _match_series(studies, search)}
        items = [item for item in items if (item.study_instance_uid, item.series_instance_uid) in able]
    if not query.keys_of(Level.INSTANCE):
        return items, {}
    opened = _open(items, search.scope)
    accepts = query.acceptor(Level.INSTANCE)
    return [item for item in items if accepts(_values_of(opened[item.pk]))], opened


def _find_instances(studies: Sequence[Study], search: Search) -> list[InstanceItem]:
    seen = {member.seen.transfer_id: member.seen for study in studies for member in study.members}
    uids = search.query.uids
    named = search.scope.series_instance_uid
    narrowed = {
        "series": frozenset({named}) if named else uids.get(attributes.SERIES),
        "instance": uids.get(attributes.SOP_INSTANCE),
        "class": uids.get(attributes.SOP_CLASS),
    }
    items = retrieving.find(
        list(seen.values()),
        study_pks=shelf.member_pks(studies),
        uids={column: values for column, values in narrowed.items() if values},
        limit=MAX_OPENED + 1,
    )
    if len(items) > MAX_OPENED:
        raise errors.TooBroad
    return retrieving.without_repeats(items) if len(seen) > 1 else items


def _series_above(items: Sequence[InstanceItem], studies: Sequence[Study], search: Search) -> list[Series]:
    """The series that instances belong to."""
    named = {(item.study_instance_uid, item.series_instance_uid) for item in items}
    holding = {study for study, _ in named}
    found = _match_series([study for study in studies if study.uid in holding], search)
    return [series for series in found if (series.study.uid, series.uid) in named]


def _open(items: Sequence[InstanceItem], scope: Scope) -> dict[int, Record]:
    plain = retrieving.records(items, base_url=scope.base_url)
    return {item.pk: json.loads(record) for item, record in zip(items, plain, strict=True)}


def _values_of(record: Record) -> Values:
    return lambda path: tuple(matching.values(record, path))


def _page(found: Sequence[_Found], query: Query) -> tuple[list[_Found], int]:
    page = list(found[query.offset : query.offset + query.limit])
    return page, max(0, len(found) - query.offset - len(page))


def _audit(search: Search, count: int) -> None:
    """Which attributes were searched by and how much was found; the values may name a patient."""
    scope, query = search.scope, search.query
    place = scope.who.home("read")
    organization_id = scope.seen.sender_id if scope.seen else place.organization_id if place else None
    audit.record(
        scope.who,
        "study.search",
        organization_id=organization_id,
        subject=f"transfer:{scope.seen.transfer_id}" if scope.seen else "",
        detail={
            "level": query.level.name.lower(),
            "keys": sorted({*query.uids, *(key.path for key in query.keys)}),
            "results": count,
            **({"delivery": scope.seen.delivery_id} if scope.seen else {}),
        },
    )
