"""The end of a push: one sync, one transaction, and only then an answer.

Under the lock of the transfer row its state, key and expiry are read again. A version of an instance that is
already held is dropped with success; a later version of it from the same sender takes its place, with both
digests in the audit trail; what an available transfer already holds is not sent a second time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from accounts import audit
from accounts.principals import Principal
from transfers import errors, transitions
from transfers.formats import frametable, part10
from transfers.receiving import quota
from transfers.receiving.outcome import Failed, Stored
from transfers.receiving.push import LEASE_SECONDS, Push, Staged
from transfers.rules.lifecycle import GATHERING, Event, State

# A draft that is still being filled is looked at a moment after the last push, not after each.
_CHECK_DELAY: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class _Held:
    """A version that is already there."""

    sha256: bytes
    size: int


@dataclass(frozen=True, slots=True)
class _Target:
    """The transfer row as read under its lock."""

    state: State
    follows_id: UUID | None
    sender_id: int
    declared: int | None
    instance_count: int
    finalise_requested: bool


def commit(who: Principal, push: Push, *, quiet: timedelta) -> tuple[list[Stored], list[Failed]]:
    """Make the push durable, write its rows, and say what of it is stored.

    What could not be synced is failed and its rows are not written; the rest is kept.
    """
    durable, lost = _sync(push)
    push.writer.close()
    failed = [Failed(s.header.sop_class_uid, s.header.sop_instance_uid, errors.StorageUnavailable()) for s in lost]
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            stored = _write(cursor, who, push, durable, quiet=quiet)
    except errors.Refused as refusal:
        return [], failed + [Failed(s.header.sop_class_uid, s.header.sop_instance_uid, refusal) for s in durable]
    quota.warn_when_near(push.birth.sender_id)
    return stored, failed


def _sync(push: Push) -> tuple[list[Staged], list[Staged]]:
    try:
        push.writer.sync()
    except (errors.StorageUnavailable, errors.StorageFull):
        good = push.writer.durable_length
        durable = [s for s in push.staged if s.stretch.offset + s.stretch.sealed_length <= good]
        return durable, [s for s in push.staged if s not in durable]
    return push.staged, []


def _write(
    cursor: CursorWrapper, who: Principal, push: Push, staged: list[Staged], *, quiet: timedelta
) -> list[Stored]:
    target = _lock(cursor, push.birth.transfer_id)
    # Rows sorted by UID: two pushes of the same study then never wait for each other crosswise.
    latest = {one.header.sop_instance_uid: one for one in staged}
    fresh = [latest[uid] for uid in sorted(latest)]
    elsewhere = _held_by_earlier(cursor, push, target, fresh) if target.follows_id else {}
    held = _held_here(cursor, push.birth.transfer_id, fresh)
    news = [one for one in fresh if one.header.sop_instance_uid not in elsewhere and not _is_held(held, one)]
    if news:
        replaced = {uid: held[uid] for one in news if (uid := one.header.sop_instance_uid) in held}
        _insert_rows(cursor, push, news, replaced)
        _advance(cursor, who, push, target, news=news, replaced=replaced, quiet=quiet)
    _close_pack(cursor, push, is_empty=not news)
    if not news and not target.instance_count and target.follows_id:
        _discard_empty(cursor, push.birth.transfer_id)
    return [_stored(one.header, elsewhere.get(one.header.sop_instance_uid, push.birth.transfer_id)) for one in staged]


def _lock(cursor: CursorWrapper, transfer_id: UUID) -> _Target:
    cursor.execute(
        """
        SELECT state, follows_id, sender_id, declared_instances, instance_count, finalise_requested,
               wrapped_key IS NOT NULL AND (state = 'draft' OR available_until > now())
          FROM transfers_transfer WHERE id = %s FOR UPDATE
        """,
        [transfer_id],
    )
    row = cursor.fetchone()
    if row is None or not row[6] or State(row[0]) not in GATHERING:
        raise errors.Conflict("The transfer was closed while this was being received. Send it again.")
    return _Target(State(row[0]), *row[1:6])


def _held_here(cursor: CursorWrapper, transfer_id: UUID, fresh: list[Staged]) -> dict[str, _Held]:
    cursor.execute(
        """
        SELECT sop_instance_uid, sha256, size FROM transfers_instance
         WHERE transfer_id = %s AND sop_instance_uid = ANY(%s)
        """,
        [transfer_id, [one.header.sop_instance_uid for one in fresh]],
    )
    return {uid: _Held(bytes(digest), size) for uid, digest, size in cursor.fetchall()}


def _held_by_earlier(cursor: CursorWrapper, push: Push, target: _Target, fresh: list[Staged]) -> dict[str, UUID]:
    """Which of these an available transfer of the same sender to the same recipient already holds."""
    cursor.execute(
        """
        SELECT i.sop_instance_uid, i.sha256, i.transfer_id
          FROM transfers_instance i
          JOIN transfers_transfer t ON t.id = i.transfer_id
          JOIN transfers_delivery d ON d.transfer_id = t.id
          JOIN transfers_delivery mine ON mine.transfer_id = %s
         WHERE i.sop_instance_uid = ANY(%s) AND t.sender_id = %s AND t.state = 'available'
           AND t.available_until > now() AND d.organization_id = mine.organization_id
           AND d.department_id IS NOT DISTINCT FROM mine.department_id
         ORDER BY t.available_at
        """,
        [push.birth.transfer_id, [one.header.sop_instance_uid for one in fresh], target.sender_id],
    )
    newest = {uid: (bytes(digest), transfer_id) for uid, digest, transfer_id in cursor.fetchall()}
    digests = {one.header.sop_instance_uid: one.sha256 for one in fresh}
    return {uid: where for uid, (digest, where) in newest.items() if digests[uid] == digest}


def _insert_rows(cursor: CursorWrapper, push: Push, news: list[Staged], replaced: dict[str, _Held]) -> None:
    transfer_id = push.birth.transfer_id
    studies = _ensure_studies(cursor, transfer_id, news)
    series = _ensure_series(cursor, studies, news)
    cursor.execute(_INSERT_INSTANCES, _instance_columns(push, news, studies, series))
    added = [one for one in news if one.header.sop_instance_uid not in replaced]
    _count(cursor, "transfers_study", (studies[one.header.study_instance_uid] for one in added))
    _count(cursor, "transfers_series", (series[_series_key(one)] for one in added))


def _ensure_studies(cursor: CursorWrapper, transfer_id: UUID, news: list[Staged]) -> dict[str, int]:
    uids = sorted({one.header.study_instance_uid for one in news})
    cursor.execute(
        """
        INSERT INTO transfers_study (transfer_id, study_instance_uid, series_count, instance_count, received_at)
        SELECT %s, uid, 0, 0, now() FROM unnest(%s::text[]) uid ON CONFLICT DO NOTHING
        """,
        [transfer_id, uids],
    )
    cursor.execute(
        "SELECT study_instance_uid, id FROM transfers_study WHERE transfer_id = %s AND study_instance_uid = ANY(%s)",
        [transfer_id, uids],
    )
    return dict(cursor.fetchall())


def _ensure_series(cursor: CursorWrapper, studies: dict[str, int], news: list[Staged]) -> dict[tuple[str, str], int]:
    keys = sorted({_series_key(one) for one in news})
    study_ids, uids = [studies[study] for study, _ in keys], [uid for _, uid in keys]
    cursor.execute(
        """
        WITH made AS (
            INSERT INTO transfers_series (study_id, series_instance_uid, instance_count, received_at)
            SELECT study, uid, 0, now() FROM unnest(%s::bigint[], %s::text[]) AS row (study, uid)
            ON CONFLICT DO NOTHING RETURNING study_id)
        UPDATE transfers_study s SET series_count = series_count + made.n
          FROM (SELECT study_id, count(*) AS n FROM made GROUP BY study_id) made WHERE s.id = made.study_id
        """,
        [study_ids, uids],
    )
    cursor.execute(
        """
        SELECT t.study_instance_uid, s.series_instance_uid, s.id
          FROM transfers_series s JOIN transfers_study t ON t.id = s.study_id
         WHERE s.study_id = ANY(%s) AND s.series_instance_uid = ANY(%s)
        """,
        [study_ids, uids],
    )
    return {(study, uid): pk for study, uid, pk in cursor.fetchall()}


_COLUMNS: Final = (
    ("study_id", "bigint"),
    ("series_id", "bigint"),
    ("sop_class_uid", "text"),
    ("sop_instance_uid", "text"),
    ("transfer_syntax_uid", "text"),
    ("ordinal", "int"),
    ('"offset"', "bigint"),
    ("sealed_length", "bigint"),
    ("size", "bigint"),
    ("sha256", "bytea"),
    ("crc32", "bigint"),
    ("dataset_offset", "int"),
    ("pixel_offset", "bigint"),
    ("pixel_value_offset", "bigint"),
    ("pixel_length", "bigint"),
    ("tail_crc32", "bigint"),
    ("frame_count", "int"),
    ("frames", "bytea"),
)
_NAMES = ", ".join(name for name, _ in _COLUMNS)
# A changed version keeps its row, and loses what was found out about the earlier one.
_INSERT_INSTANCES: Final = f"""
    INSERT INTO transfers_instance (transfer_id, pack_id, received_at, rejected_by, {_NAMES})
    SELECT %s, %s, now(), '', {_NAMES} FROM unnest({", ".join(f"%s::{kind}[]" for _, kind in _COLUMNS)})
           AS row ({_NAMES})
    ON CONFLICT (transfer_id, sop_instance_uid) DO UPDATE
       SET pack_id = excluded.pack_id, received_at = excluded.received_at, record = NULL, validated_sha256 = NULL,
           {", ".join(f"{name} = excluded.{name}" for name, _ in _COLUMNS)}
"""  # noqa: S608 - built from the table above


def _instance_columns(
    push: Push, news: list[Staged], studies: dict[str, int], series: dict[tuple[str, str], int]
) -> list[Any]:  # Any: one list a column
    rows = [_instance_row(one, studies, series) for one in news]
    return [push.birth.transfer_id, push.pack_id, *map(list, zip(*rows, strict=True))]


def _instance_row(
    one: Staged, studies: dict[str, int], series: dict[tuple[str, str], int]
) -> tuple[Any, ...]:  # Any: the columns in order
    header, stretch = one.header, one.stretch
    return (
        studies[header.study_instance_uid],
        series[_series_key(one)],
        header.sop_class_uid,
        header.sop_instance_uid,
        header.transfer_syntax_uid,
        stretch.ordinal,
        stretch.offset,
        stretch.sealed_length,
        header.size,
        one.sha256,
        one.crc32,
        header.dataset_offset,
        header.pixel_offset,
        header.pixel_value_offset,
        header.pixel_length,
        one.tail_crc32,
        header.frames.count if header.frames else header.number_of_frames,
        frametable.pack(header.frames) if header.frames else None,
    )


def _count(cursor: CursorWrapper, table: str, ids: Iterable[int]) -> None:
    counts: dict[int, int] = {}
    for pk in ids:
        counts[pk] = counts.get(pk, 0) + 1
    if not counts:
        return
    cursor.execute(
        f"""
        UPDATE {table} s SET instance_count = s.instance_count + more.n
          FROM unnest(%s::bigint[], %s::int[]) AS more (id, n) WHERE s.id = more.id
        """,  # noqa: S608 - one of two tables
        [list(counts), list(counts.values())],
    )


def _advance(
    cursor: CursorWrapper,
    who: Principal,
    push: Push,
    target: _Target,
    *,
    news: list[Staged],
    replaced: dict[str, _Held],
    quiet: timedelta,
) -> None:
    """Move counters and state, and write who pushed what."""
    transfer_id = push.birth.transfer_id
    added = len(news) - len(replaced)
    grown = sum(one.header.size for one in news) - sum(held.size for held in replaced.values())
    cursor.execute(
        """
        UPDATE transfers_transfer
           SET instance_count = instance_count + %s, stored_bytes = stored_bytes + %s,
               byte_count = byte_count + %s, last_byte_at = now(),
               study_count = (SELECT count(*) FROM transfers_study WHERE transfer_id = %s),
               quiet_until = now() + make_interval(secs => %s), revision = revision + 1
         WHERE id = %s
        """,
        [added, sum(one.stretch.sealed_length for one in news), grown, transfer_id, quiet.total_seconds(), transfer_id],
    )
    audit.record(
        who,
        "push.store",
        organization_id=target.sender_id,
        subject=f"transfer:{transfer_id}",
        detail={
            "instances": added,
            "bytes": sum(one.header.size for one in news),
            "replaced": [
                {"sop_instance_uid": uid, "from": old.sha256.hex(), "to": _digest(news, uid)}
                for uid, old in replaced.items()
            ],
        },
    )
    if target.state in (State.VALIDATING, State.HELD):
        transitions.apply(transfer_id, Event.NEW_DIGEST, who=who)
    if target.state == State.DRAFT:
        transitions.enqueue("transfer.check", str(transfer_id), delay=_CHECK_DELAY)
    else:
        _finalise_if_complete(cursor, who, push, target, count=target.instance_count + added)


def _finalise_if_complete(cursor: CursorWrapper, who: Principal, push: Push, target: _Target, *, count: int) -> None:
    is_declared = target.declared is not None and count >= target.declared
    if not (is_declared or target.finalise_requested) or _others_running(cursor, push):
        return
    cursor.execute(
        "UPDATE transfers_transfer SET finalised_by = %s, finalise_requested = false WHERE id = %s",
        ["explicit" if target.finalise_requested else "declared", push.birth.transfer_id],
    )
    transitions.apply(push.birth.transfer_id, Event.FINALISE, who=who)


def _others_running(cursor: CursorWrapper, push: Push) -> bool:
    cursor.execute(
        """
        SELECT EXISTS (SELECT FROM transfers_lease WHERE transfer_id = %s AND kind = 'push' AND id <> %s
                          AND heartbeat_at > now() - make_interval(secs => %s))
        """,
        [push.birth.transfer_id, push.lease_id, LEASE_SECONDS],
    )
    return bool(cursor.fetchone()[0])


def _close_pack(cursor: CursorWrapper, push: Push, *, is_empty: bool) -> None:
    cursor.execute("DELETE FROM transfers_lease WHERE id = %s", [push.lease_id])
    cursor.execute(
        "UPDATE transfers_pack SET is_open = false, committed_length = %s WHERE id = %s",
        [0 if is_empty else push.writer.durable_length, push.pack_id],
    )
    if is_empty:
        transitions.enqueue("packs.discard")


def _discard_empty(cursor: CursorWrapper, transfer_id: UUID) -> None:
    """Remove a follow-up that turned out to add nothing, so that nobody is told of it."""
    cursor.execute("SELECT EXISTS (SELECT FROM transfers_lease WHERE transfer_id = %s)", [transfer_id])
    if cursor.fetchone()[0]:
        return
    cursor.execute("UPDATE transfers_transfer SET quiet_until = now() WHERE id = %s", [transfer_id])


def _stored(header: part10.Header, transfer_id: UUID) -> Stored:
    return Stored(
        sop_class_uid=header.sop_class_uid,
        sop_instance_uid=header.sop_instance_uid,
        study_instance_uid=header.study_instance_uid,
        series_instance_uid=header.series_instance_uid,
        transfer_id=transfer_id,
    )


def _is_held(held: dict[str, _Held], one: Staged) -> bool:
    there = held.get(one.header.sop_instance_uid)
    return there is not None and there.sha256 == one.sha256


def _series_key(one: Staged) -> tuple[str, str]:
    return one.header.study_instance_uid, one.header.series_instance_uid


def _digest(news: list[Staged], uid: str) -> str:
    return next(one.sha256.hex() for one in news if one.header.sop_instance_uid == uid)
