"""The studies a caller may see, opened: kept in memory while what the caller may see stays the same.

Ten thousand records take a tenth of a second to open, so a process keeps those of its last callers. Whether they
may still be seen is asked of the database at every search; what may not is dropped with the answer.
"""

import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any, Final

from django.db import connection

from accounts.principals import Principal
from transfers import access, retrieving
from transfers.access import Mark, Sight
from transfers.keys import DayKey
from transfers.keys.opened import TransferKey
from transfers.searching import matching
from transfers.searching.attributes import MODALITIES

Record = dict[str, Any]  # Any: one data set of the DICOM JSON Model (PS3.18 Annex F)

KEPT_CALLERS: Final = 32
KEPT_STUDIES: Final = 200_000
_STUDIES: Final = """
    SELECT id, transfer_id, study_instance_uid, received_at, series_count, instance_count,
           CASE WHEN id = ANY(%s::bigint[]) THEN NULL ELSE record END
      FROM transfers_study
     WHERE transfer_id = ANY(%s) AND record IS NOT NULL AND (%s = '' OR study_instance_uid = %s)
     ORDER BY received_at, id
"""


@dataclass(frozen=True, slots=True)
class Member:
    """A study as one transfer holds it."""

    pk: int
    seen: Sight
    received_at: datetime
    series_count: int
    instance_count: int
    record: Record


@dataclass(slots=True)
class Study:
    """One Study Instance UID: what it says comes from `main`, what it counts from all its members."""

    uid: str
    main: Member
    members: Sequence[Member]
    modalities: tuple[str, ...] | None = None
    _values: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def record(self) -> Record:
        return self.main.record

    def values(self, path: str) -> tuple[str, ...]:
        """The values at a path of tags; searches come again, so they are kept."""
        if path == MODALITIES:
            return self.modalities or ()
        found = self._values.get(path)
        if found is None:
            found = self._values[path] = tuple(matching.values(self.record, path))
        return found


@dataclass(slots=True)
class Shelf:
    """Studies in the order in which they came, and where those with an exact value stand."""

    studies: list[Study]
    _indexes: dict[str, dict[str, list[Study]]] = field(default_factory=dict)

    def exactly(self, path: str, value: str) -> list[Study]:
        """The studies with one value at a tag; the index is made when it is first needed."""
        index = self._indexes.get(path)
        if index is None:
            index = {}
            for study in self.studies:
                for found in study.values(path):
                    index.setdefault(found.strip(" "), []).append(study)
            self._indexes[path] = index
        return index.get(value.strip(" "), [])


_kept: OrderedDict[str, "_Kept"] = OrderedDict()
_lock = Lock()


@dataclass(frozen=True, slots=True)
class _Kept:
    """A shelf, for whom with what places, and the mark up to which it is known to hold."""

    who: Principal
    mark: Mark
    shelf: Shelf


def of_caller(who: Principal) -> Shelf:
    """All studies of the caller's open deliveries; what was opened before is not opened again."""
    if connection.in_atomic_block:  # what this transaction sees may never come to be
        return Shelf(load(access.sights(who)))
    slot = f"{who.ident} {who.bound_to}"
    with _lock:
        known = _kept.get(slot)
    kept = _renewed(who, known)
    with _lock:
        _kept[slot] = kept
        _kept.move_to_end(slot)
        while len(_kept) > KEPT_CALLERS or (
            len(_kept) > 1 and sum(len(kept.shelf.studies) for kept in _kept.values()) > KEPT_STUDIES
        ):
            _kept.popitem(last=False)
    return kept.shelf


def _renewed(who: Principal, known: _Kept | None) -> _Kept:
    if known is not None and known.who == who:
        mark = access.look_again(who, known.mark)
        if mark is not None:
            return _Kept(who, mark, known.shelf)
    seen, mark = access.look(who)
    # Another server may have given the number of a lost row to another study.
    is_same_server = known is not None and known.mark.server_started_at == mark.server_started_at
    return _Kept(who, mark, Shelf(load(seen, known=known.shelf.studies if known and is_same_server else ())))


def load(seen: Sequence[Sight], *, study_instance_uid: str = "", known: Iterable[Study] = ()) -> list[Study]:
    """Open the study records of transfers; one Study Instance UID is one study.

    Records of `known` studies are taken over: that of an available transfer never changes.
    """
    by_id = {sight.transfer_id: sight for sight in seen}
    opened = {member.pk: member.record for study in known for member in study.members}
    with connection.cursor() as cursor:
        cursor.execute(_STUDIES, [list(opened), list(by_id), study_instance_uid, study_instance_uid])
        rows = cursor.fetchall()
    by_uid: dict[str, list[Member]] = {}
    opener = Opener()
    for pk, transfer_id, uid, received_at, series_count, instance_count, sealed in rows:
        sight = by_id[transfer_id]
        record = opened[pk] if sealed is None else opener.open(sight, "study", uid, sealed)
        by_uid.setdefault(uid, []).append(Member(pk, sight, received_at, series_count, instance_count, record))
    return [_study(uid, members) for uid, members in by_uid.items()]


def _study(uid: str, members: Sequence[Member]) -> Study:
    """What a study of one transfer says of its modalities; those of several are found out when they are asked for."""
    main = retrieving.preferred(members)
    said = main.record.get(MODALITIES) if len(members) == 1 else None
    return Study(uid, main, members, modalities=None if said is None else tuple(said["Value"]))


class Opener:
    """Opens records of several transfers for one answer, each key once."""

    def __init__(self) -> None:
        self._keys: dict[str, TransferKey] = {}
        self._days: dict[str, DayKey] = {}

    def open(self, seen: Sight, kind: str, row: str, sealed: bytes) -> Record:
        transfer = str(seen.transfer_id)
        key = self._keys.get(transfer)
        if key is None:
            key = self._keys[transfer] = retrieving.open_key(seen, days=self._days)
        record: Record = json.loads(key.open(kind, row, sealed))
        return record


def member_pks(studies: Iterable[Study]) -> list[int]:
    return [member.pk for study in studies for member in study.members]
