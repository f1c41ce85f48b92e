"""What an organisation may hold at once: bytes and instances; how many transfers is asked where one is made.

The sums are kept for two seconds a process, so a limit may be passed by what arrives in that time, and is then
closed. An urgent transfer has headroom.
"""

import time
from dataclasses import dataclass
from typing import Final

from django.db import connection

from transfers import errors, transitions
from transfers.rules import allowance
from transfers.rules.lifecycle import OVER

WARN_AT: Final = (95, 80)
_FRESH_SECONDS: Final = 2.0
# The sentences of a push fit the Error Comment of a Store response: 64 characters.
NO_BYTES_LEFT: Final = "Storage limit reached. Withdraw a transfer or ask for more."


@dataclass(frozen=True, slots=True)
class Usage:
    """What is held of what may be held; `warned` is the last percentage its administrators were told."""

    bytes: int
    instances: int
    open_transfers: int
    max_bytes: int
    max_instances: int
    max_open_transfers: int
    warned: int

    @property
    def percent(self) -> int:
        return max(
            100 * self.bytes // max(self.max_bytes, 1),
            100 * self.instances // max(self.max_instances, 1),
            100 * self.open_transfers // max(self.max_open_transfers, 1),
        )


_cache: dict[int, tuple[float, Usage]] = {}


def usage(organization_id: int) -> Usage:
    """What an organisation holds now."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(sum(t.stored_bytes), 0)::bigint, coalesce(sum(t.instance_count), 0)::bigint,
                   count(t.id) FILTER (WHERE t.state <> ALL(%s)), o.max_bytes, o.max_instances, o.max_open_transfers,
                   o.quota_warned
              FROM accounts_organization o
              LEFT JOIN transfers_transfer t ON t.sender_id = o.id AND t.wrapped_key IS NOT NULL
             WHERE o.id = %s GROUP BY o.id
            """,
            [list(OVER), organization_id],
        )
        row = cursor.fetchone()
    if row is None:
        raise errors.NotFound
    return Usage(*row)


def bytes_left(organization_id: int, *, urgent: bool = False) -> int:
    """How many bytes more it may hold; below 0 where a limit was lowered since."""
    now = _recent(organization_id)
    return allowance.of(now.max_bytes, urgent=urgent) - now.bytes


def ensure_room_for(organization_id: int, *, bytes_more: int, instances_more: int = 1, urgent: bool = False) -> None:
    """Raise QuotaExceeded where this would pass a limit."""
    if bytes_more > bytes_left(organization_id, urgent=urgent):
        raise errors.QuotaExceeded(NO_BYTES_LEFT)
    now = _recent(organization_id)
    if now.instances + instances_more > allowance.of(now.max_instances, urgent=urgent):
        raise errors.QuotaExceeded("Instance limit reached. Withdraw a transfer or ask for more.")


def warn_when_near(organization_id: int) -> None:
    """Write one job when 80 or 95 per cent are passed; fall silent again below 80."""
    now = _recent(organization_id)
    level = next((at for at in WARN_AT if now.percent >= at), 0)
    if level == now.warned:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE accounts_organization SET quota_warned = %s WHERE id = %s AND quota_warned = %s",
            [level, organization_id, now.warned],
        )
        if cursor.rowcount and level > now.warned:
            transitions.enqueue(f"quota.{level}", str(organization_id))
    _cache.pop(organization_id, None)


def _recent(organization_id: int) -> Usage:
    at, found = _cache.get(organization_id, (0.0, None))
    if found is None or time.monotonic() - at > _FRESH_SECONDS:
        found = usage(organization_id)
        _cache[organization_id] = (time.monotonic(), found)
    return found
