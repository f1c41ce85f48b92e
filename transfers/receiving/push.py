"""One push into one transfer: its lease, its pack, and the instances that wait for the commit."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, LiteralString
from uuid import UUID

from django.db import connection

from accounts import statements
from accounts.principals import Principal
from transfers import errors, vault
from transfers.formats import part10
from transfers.keys import opened
from transfers.keys.opened import TransferKey, WrappedKey
from transfers.receiving import quota
from transfers.rules.lifecycle import LEASE_LIVES
from transfers.vault import PackWriter, Stretch

RUNNING_LIMIT: Final = 16
WAIT_SECONDS: Final = 30
_HEARTBEAT_SECONDS: Final = 10
_POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Source:
    """Which transfer takes a push: a SELECT of its id, sender, wrapped key, day key and urgency; at most one row."""

    select: LiteralString
    values: Mapping[str, Any]  # Any: whatever its columns hold


@dataclass(frozen=True, slots=True)
class Birth:
    """A transfer to push into, with its key opened."""

    transfer_id: UUID
    sender_id: int
    key: TransferKey
    is_urgent: bool


@dataclass(frozen=True, slots=True)
class Staged:
    """Sealed but not yet acknowledged."""

    header: part10.Header
    stretch: Stretch
    sha256: bytes
    crc32: int
    tail_crc32: int | None


@dataclass(slots=True)
class Push:
    """What is being received for one transfer; `staged` becomes rows at the commit.

    `room` is how many bytes its sender may still send.
    """

    birth: Birth
    lease_id: int
    pack_id: int
    writer: PackWriter
    staged: list[Staged]
    room: int
    byte_count: int = 0
    beaten_at: float = 0.0

    def beat(self, more: int) -> None:
        """Count bytes, and tell every ten seconds that this push is alive; raises QuotaExceeded past its room."""
        self.byte_count += more
        if self.byte_count > self.room:
            raise errors.QuotaExceeded(quota.NO_BYTES_LEFT)
        now = time.monotonic()
        if now - self.beaten_at < _HEARTBEAT_SECONDS:
            return
        self.beaten_at = now
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE transfers_lease SET heartbeat_at = clock_timestamp(), byte_count = %s WHERE id = %s",
                [self.byte_count, self.lease_id],
            )


def open_push(who: Principal, source: Source, *, is_first: bool = True, birth: Birth | None = None) -> Push | None:
    """Take a lease and write down the pack before its first byte; None where no transfer takes it.

    A credential has 16 pushes running; one more waits up to 30 s and then gets Busy. Only the first push of a
    request is counted against that. With a `birth`, what comes is sealed for that transfer, which is not there yet:
    until it is, lease and pack hang on the one of `source`. Raises QuotaExceeded where the sender has no room for one
    instance more.
    """
    name = vault.new_name()
    limit = RUNNING_LIMIT if is_first else None
    values = {**source.values, "who": who.ident, "limit": limit, "alive": LEASE_LIVES, "name": name}
    statement = _statement(source.select)
    deadline = time.monotonic() + WAIT_SECONDS
    while (row := statements.one(statement, values)) is not None and row[5] is None:
        if time.monotonic() > deadline:
            raise errors.Busy
        time.sleep(_POLL_SECONDS)
    if row is None:
        return None
    *found, lease_id, pack_id = row
    try:
        birth = birth or _birth(*found)
        quota.ensure_room_for(birth.sender_id, bytes_more=0, urgent=birth.is_urgent)
        room = quota.bytes_left(birth.sender_id, urgent=birth.is_urgent)
        prefix = aad_prefix(birth.sender_id, birth.transfer_id, name)
        writer = vault.open_pack(name, key=birth.key.packs, aad_prefix=prefix)
    except BaseException:
        _end_lease(lease_id)  # a full disk must not leave the sender with pushes that seem to run
        raise
    return Push(birth, lease_id, pack_id, writer, staged=[], room=room, beaten_at=time.monotonic())


def _birth(transfer_id: UUID, sender_id: int, wrapped: bytes, day_key_id: str, urgency: str) -> Birth:
    key = opened.open_wrapped(
        WrappedKey(bytes(wrapped), day_key_id), organization=str(sender_id), transfer=str(transfer_id)
    )
    return Birth(transfer_id, sender_id, key, is_urgent=urgency == "urgent")


def aad_prefix(sender_id: int, transfer_id: UUID, name: str) -> tuple[bytes, bytes, bytes]:
    """What binds the streams of a pack to their place (docs/envelope.md Section 3)."""
    return str(sender_id).encode(), str(transfer_id).encode(), name.encode()


def drop(push: Push) -> None:
    """Give a push up: nothing of it was promised."""
    push.writer.close()
    _end_lease(push.lease_id)


def _end_lease(lease_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM transfers_lease WHERE id = %s", [lease_id])


# The rows only let a sweep find what a cut push left behind, so they need not outlive a power cut: an object without
# a row is quarantined. Hence no sync for them. Found and opened in one statement, for this is done at every push.
_LEASE_AND_PACK: Final = """
    quick AS (SELECT set_config('synchronous_commit', 'off', true)),
    lease AS (
        INSERT INTO transfers_lease (transfer_id, kind, principal, byte_count, started_at, heartbeat_at)
        SELECT found.id, 'push', %(who)s::text, 0, now(), now() FROM found, quick
         WHERE %(limit)s::int IS NULL OR %(limit)s::int > (
               SELECT count(*) FROM transfers_lease
                WHERE principal = %(who)s::text AND kind = 'push'
                  AND heartbeat_at > now() - %(alive)s::interval)
        RETURNING id),
    pack AS (
        INSERT INTO transfers_pack (name, transfer_id, envelope_version, upload_id, committed_length, is_open,
                                    created_at)
        SELECT %(name)s, found.id, 1, '', 0, true, now() FROM found, lease RETURNING id)
    SELECT found.*, lease.id, pack.id FROM found LEFT JOIN lease ON true LEFT JOIN pack ON true
"""


@cache
def _statement(select: LiteralString) -> LiteralString:
    return f"WITH found AS ({select}), {_LEASE_AND_PACK}"
