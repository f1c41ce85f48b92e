"""Which stored instances a request names, as one caller sees them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, Protocol, TypeVar

from accounts import statements
from accounts.principals import Principal
from transfers import access, errors
from transfers.access import Sight

INSTANCE: Final = b"instance"
DOCUMENT: Final = b"document"


class _Row(Protocol):
    @property
    def seen(self) -> Sight: ...
    @property
    def pk(self) -> int: ...


Row = TypeVar("Row", bound=_Row)


# Nobody changes an item, a stretch or a part; they are not frozen because an answer is made of thousands, and making
# a frozen one takes ten times as long.
@dataclass(slots=True)
class Item:
    """Something stored that can be handed over: where its sealed stream lies and what it must hash to."""

    seen: Sight
    pk: int
    kind: bytes
    pack: str
    ordinal: int
    offset: int
    sealed_length: int
    size: int
    sha256: bytes
    crc32: int


@dataclass(slots=True)
class InstanceItem(Item):
    """A SOP Instance; offsets count from the start of its file.

    `pixel_offset` is that of the element Pixel Data, `pixel_start` that of its value; without `pixel_length` it is
    encapsulated. `record_size` is that of its sealed record. `frame_table` (formats/frametable.py) is there where one
    instance was asked for by name and its table is short.
    """

    study_pk: int
    series_pk: int
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    dataset_offset: int
    pixel_offset: int | None
    pixel_start: int | None
    pixel_length: int | None
    record_size: int
    frame_table: bytes | None

    @property
    def path(self) -> str:
        """The path of the instance below a DICOMweb root (PS3.18 Table 10.4.1-1)."""
        return f"/studies/{self.study_instance_uid}/series/{self.series_instance_uid}/instances/{self.sop_instance_uid}"


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL names; an empty UID names everything of its level."""

    study_instance_uid: str
    series_instance_uid: str = ""
    sop_instance_uid: str = ""


# Shown is what validation has written a record for, of the very bytes that are stored, and no note has rejected.
SHOWN: Final = "i.rejected_by = '' AND i.record IS NOT NULL AND i.validated_sha256 = i.sha256"

_SELECTED: Final = """
    SELECT i.transfer_id, i.id, p.name, i.ordinal, i."offset", i.sealed_length, i.size, i.sha256, i.crc32,
           i.study_id, i.series_id, st.study_instance_uid, se.series_instance_uid, i.sop_instance_uid,
           i.sop_class_uid, i.transfer_syntax_uid, i.dataset_offset,
           i.pixel_offset, i.pixel_value_offset, i.pixel_length, octet_length(i.record),
"""
_SELECT: Final = f"""
    {_SELECTED} NULL::bytea
      FROM transfers_study st
      JOIN transfers_series se ON se.study_id = st.id
      JOIN transfers_instance i ON i.series_id = se.id
      JOIN transfers_pack p ON p.id = i.pack_id
     WHERE st.transfer_id = ANY(%s) AND {SHOWN}
"""
# OFFSET 0 keeps the planner from reading a whole study for one instance, which it does where it knows nothing of the
# tables yet.
_SELECT_ONE: Final = f"""
    {_SELECTED} CASE WHEN octet_length(i.frames) <= 4096 THEN i.frames END
      FROM (SELECT * FROM transfers_instance WHERE transfer_id = ANY(%s) AND sop_instance_uid = %s OFFSET 0) i
      JOIN transfers_series se ON se.id = i.series_id
      JOIN transfers_study st ON st.id = i.study_id
      JOIN transfers_pack p ON p.id = i.pack_id
     WHERE {SHOWN}
"""  # noqa: S608 - only constants are inserted
_COLUMNS: Final = {
    "study": "st.study_instance_uid",
    "series": "se.series_instance_uid",
    "instance": "i.sop_instance_uid",
    "class": "i.sop_class_uid",
}
# Rows as wide as these are put in order here in a tenth of the time that the database takes for it.
_PLACE: Final = attrgetter("study_pk", "series_pk", "pk")


def sights_of(who: Principal, *, study_instance_uid: str) -> list[Sight]:
    """The open deliveries that hold a study.

    Raises Gone where the caller once saw it, NotFound for everything else: what is not the caller's and what
    never was are not told apart.
    """
    seen = access.sights(who, study_instance_uid=study_instance_uid)
    if not seen and access.was_study_open(who, study_instance_uid):
        raise errors.Gone
    return seen


def select(seen: Sequence[Sight], target: Target) -> list[InstanceItem]:
    """The instances that a URL names, each SOP Instance UID once.

    Raises NotFound where there is none.
    """
    statement = _SELECT_ONE if target.sop_instance_uid else _SELECT
    parameters: list[Any] = [[sight.transfer_id for sight in seen]]  # Any: SQL parameters
    parameters += [target.sop_instance_uid] if target.sop_instance_uid else []
    for column, value in (("study", target.study_instance_uid), ("series", target.series_instance_uid)):
        if value:
            statement += f" AND {_COLUMNS[column]} = %s"
            parameters.append(value)
    items = _in_order(seen, statement, parameters) if seen else []
    if not items:
        raise errors.NotFound
    return without_repeats(items) if len(seen) > 1 else items


def find(
    seen: Sequence[Sight], *, study_pks: Sequence[int], uids: Mapping[str, Collection[str]], limit: int
) -> list[InstanceItem]:
    """Instances of studies in the order in which they came, narrowed by columns; at most `limit` rows are read."""
    statement = f"{_SELECT} AND st.id = ANY(%s)"
    parameters: list[Any] = [[sight.transfer_id for sight in seen], list(study_pks)]  # Any: SQL parameters
    for column, values in uids.items():
        statement += f" AND {_COLUMNS[column]} = ANY(%s)"
        parameters.append(list(values))
    return fetch(seen, f"{statement} ORDER BY i.received_at, i.id LIMIT %s", [*parameters, limit])


def select_all(seen: Sight) -> list[InstanceItem]:
    """Every instance of one transfer."""
    return _in_order([seen], _SELECT, [[seen.transfer_id]])


def fetch(seen: Iterable[Sight], statement: str, parameters: list[Any]) -> list[InstanceItem]:  # Any: SQL parameters
    by_id = {sight.transfer_id: sight for sight in seen}
    return [_item(by_id[row[0]], row) for row in statements.run(statement, parameters, binary=True)]


def _in_order(
    seen: Iterable[Sight],
    statement: str,
    parameters: list[Any],  # Any: SQL parameters
) -> list[InstanceItem]:
    """By study and series, and within these as they came: the same order at every call, on which tags stand."""
    return sorted(fetch(seen, statement, parameters), key=_PLACE)


def without_repeats(items: Iterable[InstanceItem]) -> list[InstanceItem]:
    """Each SOP Instance UID once, in the order of the first of each."""
    by_uid: dict[str, list[InstanceItem]] = {}
    for item in items:
        by_uid.setdefault(item.sop_instance_uid, []).append(item)
    return [preferred(same) for same in by_uid.values()]


def preferred(same: Sequence[Row]) -> Row:
    """Which of several rows with one UID is shown: of one sender the newest, of several senders that of the first.

    An identifier that two senders use for different things must not change under a reader's hands; the others
    stay reachable under their own transfers.
    """
    if len(same) == 1:
        return same[0]
    ordered = sorted(same, key=lambda row: (row.seen.sender_id, _age(row)))
    groups = [list(group) for _, group in groupby(ordered, key=lambda row: row.seen.sender_id)]
    return min(groups, key=lambda group: _age(group[0]))[-1]


def _age(row: "_Row") -> tuple[float, int]:
    available = row.seen.available_at
    return (available.timestamp() if available else 0.0, row.pk)


def _item(seen: Sight, row: tuple[Any, ...]) -> InstanceItem:  # Any: columns of _SELECT in order
    pk, pack, ordinal, offset, sealed_length, size, sha256, crc32, *rest = row[1:]
    return InstanceItem(seen, pk, INSTANCE, pack, ordinal, offset, sealed_length, size, sha256, crc32, *rest)
