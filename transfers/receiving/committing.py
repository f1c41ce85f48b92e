"""The end of a push: one sync, one transaction, and only then an answer.

Under the lock of the transfer row its state, key and expiry are read again. A version of an instance that is
already held is dropped with success; a later version of it from the same sender takes its place, with both
digests in the audit trail; what an available transfer already holds is not sent a second time.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts import audit, statements
from accounts.principals import Principal
from transfers import declarations, errors, transitions
from transfers.formats import part10
from transfers.receiving import quota, rows
from transfers.receiving.outcome import Failed, Stored
from transfers.receiving.push import Push, Staged, drop
from transfers.receiving.rows import Held
from transfers.rules.lifecycle import GATHERING, LEASE_LIVES, Event, State

# A draft that is still being filled is looked at a moment after the last push, not after each.
_CHECK_DELAY: Final = timedelta(seconds=5)

_LOCK: Final = """
    SELECT state, follows_id, sender_id, declared_instances, instance_count, finalise_requested,
           wrapped_key IS NOT NULL AND (state = 'draft' OR available_until > now())
      FROM transfers_transfer WHERE id = %s FOR UPDATE
"""
_CLOSE_EMPTY: Final = """
    WITH lease AS (DELETE FROM transfers_lease WHERE id = %s)
    UPDATE transfers_pack SET is_open = false, committed_length = 0 WHERE id = %s
"""
_OTHERS_RUNNING: Final = """
    SELECT EXISTS (SELECT FROM transfers_lease WHERE transfer_id = %s AND kind = 'push' AND id <> %s
                      AND heartbeat_at > now() - %s::interval)
"""


@dataclass(frozen=True, slots=True)
class _Target:
    """The transfer row as read under its lock."""

    state: State
    follows_id: UUID | None
    sender_id: int
    declared: int | None
    instance_count: int
    finalise_requested: bool


@dataclass(frozen=True, slots=True)
class _Sorted:
    """What a push brings: news, and of these the versions they replace; `elsewhere` is held by an earlier transfer."""

    news: list[Staged]
    replaced: dict[str, Held]
    elsewhere: dict[str, UUID]

    @property
    def added(self) -> int:
        return len(self.news) - len(self.replaced)


def commit(who: Principal, push: Push, *, quiet: timedelta) -> tuple[list[Stored], list[Failed]]:
    """Make the push durable, write its rows, and say what of it is stored.

    What could not be synced is failed and its rows are not written; the rest is kept.
    """
    staged, lost = push.staged, list[Staged]()
    try:
        with suppress(errors.StorageUnavailable, errors.StorageFull):  # told once more by what waits for it
            push.writer.begin_sync()
        try:
            stored = _transact(who, push, staged, quiet=quiet)
        except (errors.StorageUnavailable, errors.StorageFull):
            staged, lost = _by_durability(push)
            stored = _transact(who, push, staged, quiet=quiet, is_synced=True)
    except errors.Refused as refusal:
        drop(push)
        return [], [_failed(one, refusal) for one in push.staged]
    except IntegrityError:
        # The sweep took a push that was silent for two minutes for dead, and its pack with it.
        given_up = errors.Unavailable("This push was silent for too long and was given up. Send it again.")
        return [], [_failed(one, given_up) for one in push.staged]
    finally:
        push.writer.close()
    quota.warn_when_near(push.birth.sender_id)
    return stored, [_failed(one, errors.StorageUnavailable()) for one in lost]


def _transact(
    who: Principal, push: Push, staged: list[Staged], *, quiet: timedelta, is_synced: bool = False
) -> list[Stored]:
    """Write the rows while the bytes are synced; the rows hold only once the bytes do."""
    end = push.writer.durable_length if is_synced else push.writer.length
    with transaction.atomic():
        stored = _write(who, push, staged, quiet=quiet, end=end)
        if not is_synced:
            push.writer.sync()
    return stored


def _by_durability(push: Push) -> tuple[list[Staged], list[Staged]]:
    """After a failed sync: what is good all the same, and what is lost."""
    good = push.writer.durable_length
    durable = [s for s in push.staged if s.stretch.offset + s.stretch.sealed_length <= good]
    return durable, push.staged[len(durable) :]


def _write(who: Principal, push: Push, staged: list[Staged], *, quiet: timedelta, end: int) -> list[Stored]:
    # The last of several versions in one push wins; sorted by UID, two pushes never wait for each other crosswise.
    latest = {one.header.sop_instance_uid: one for one in staged}
    uids = sorted(latest)
    target, held = _lock(push.birth.transfer_id, uids)
    found = _sort(push, [latest[uid] for uid in uids], target, held)
    if found.news:
        left = rows.left_by(push, found.news, replaced=found.replaced)
        with statements.pipelined():
            rows.insert(push, found.news, replaced=found.replaced, quiet=quiet, end=end)
            rows.tidy(push, left)
            _record(who, push, target, found)
        _advance(who, push, target, added=found.added)
    else:
        _close_empty(push, target)
    return [_stored(one, found.elsewhere.get(one.header.sop_instance_uid, push.birth.transfer_id)) for one in staged]


def _lock(transfer_id: UUID, uids: list[str]) -> tuple[_Target, dict[str, Held]]:
    """The transfer under its lock, and what it holds of these instances by then: the second statement sees that."""
    locked, found = statements.batch((_LOCK, [transfer_id]), (rows.HELD, [transfer_id, uids]))
    row = locked[0] if locked else None
    if row is None or not row[6] or State(row[0]) not in GATHERING:
        raise errors.Conflict("The transfer was closed while this was being received. Send it again.")
    return _Target(State(row[0]), *row[1:6]), rows.held(found)


def _sort(push: Push, fresh: list[Staged], target: _Target, held: dict[str, Held]) -> _Sorted:
    elsewhere: dict[str, UUID] = {}
    if target.follows_id:
        elsewhere = rows.held_by_earlier(push.birth.transfer_id, fresh, sender_id=target.sender_id)
    news, replaced = [], {}
    for one in fresh:
        uid = one.header.sop_instance_uid
        if uid in elsewhere or (uid in held and held[uid].sha256 == one.sha256):
            continue
        news.append(one)
        if uid in held:
            replaced[uid] = held[uid]
    return _Sorted(news, replaced, elsewhere)


def _record(who: Principal, push: Push, target: _Target, found: _Sorted) -> None:
    """Who pushed what; of a replaced version both digests."""
    digests = {one.header.sop_instance_uid: one.sha256.hex() for one in found.news}
    audit.record(
        who,
        "push.store",
        organization_id=target.sender_id,
        subject=f"transfer:{push.birth.transfer_id}",
        detail={
            "instances": found.added,
            "bytes": sum(one.header.size for one in found.news),
            "replaced": [
                {"sop_instance_uid": uid, "from": old.sha256.hex(), "to": digests[uid]}
                for uid, old in found.replaced.items()
            ],
        },
    )


def _advance(who: Principal, push: Push, target: _Target, *, added: int) -> None:
    """What a push does to the state: a held transfer is looked at again, a complete one is finalised."""
    transfer_id = push.birth.transfer_id
    if target.state in (State.VALIDATING, State.HELD):
        transitions.apply(transfer_id, Event.NEW_DIGEST, who=who)
    if target.state == State.DRAFT:
        transitions.enqueue("transfer.check", str(transfer_id), delay=_CHECK_DELAY)
        return
    how = "explicit" if target.finalise_requested else _reached_by(transfer_id, target, added)
    if how and not _others_running(push):
        _finalise(who, transfer_id, how)


def _reached_by(transfer_id: UUID, target: _Target, added: int) -> str:
    return declarations.reached_by(
        transfer_id,
        declared=target.declared,
        present=target.instance_count + added,
        is_follow_up=target.follows_id is not None,
    )


def _finalise(who: Principal, transfer_id: UUID, how: str) -> None:
    statements.run(
        "UPDATE transfers_transfer SET finalised_by = %s, finalise_requested = false WHERE id = %s", [how, transfer_id]
    )
    transitions.apply(transfer_id, Event.FINALISE, who=who)


def _others_running(push: Push) -> bool:
    row = statements.one(_OTHERS_RUNNING, [push.birth.transfer_id, push.lease_id, LEASE_LIVES])
    return bool(row and row[0])


def _close_empty(push: Push, target: _Target) -> None:
    """End a push that brought nothing new."""
    statements.send(_CLOSE_EMPTY, [push.lease_id, push.pack_id])
    transitions.enqueue("packs.discard")
    if not target.instance_count and target.follows_id:
        # A follow-up that turned out to add nothing: the next sweep removes it, and nobody is told of it.
        statements.run("UPDATE transfers_transfer SET quiet_until = now() WHERE id = %s", [push.birth.transfer_id])


def _stored(one: Staged, transfer_id: UUID) -> Stored:
    header: part10.Header = one.header
    return Stored(
        sop_class_uid=header.sop_class_uid,
        sop_instance_uid=header.sop_instance_uid,
        study_instance_uid=header.study_instance_uid,
        series_instance_uid=header.series_instance_uid,
        transfer_id=transfer_id,
    )


def _failed(one: Staged, error: errors.ExchangeError) -> Failed:
    return Failed(one.header.sop_class_uid, one.header.sop_instance_uid, error)
