"""Whether a caller still sees what it saw a moment ago: what is asked before every search.

Triggers keep in `changed_in` the last transaction in which a delivery or a transfer changed what its recipients see
(migration 0015). What is not visible in a snapshot happened after it, however long ago it began; so the answer costs
what has changed since, not what there is.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from accounts import statements
from accounts.principals import Principal
from transfers.access import seeing
from transfers.access.seeing import Sight

# However little seems to have changed, all of it is looked at anew every minute.
_NOW: Final = "SELECT pg_current_snapshot()::text, pg_postmaster_start_time(), now() + interval '1 minute'"
# A number above those given out came with a dump from another cluster, and is old.
_LATELY: Final = """
    SELECT FROM transfers_delivery d JOIN transfers_transfer t ON t.id = d.transfer_id
     WHERE {row}.changed_in BETWEEN pg_snapshot_xmin(%s::pg_snapshot) AND pg_snapshot_xmax(pg_current_snapshot())
       AND NOT pg_visible_in_snapshot({row}.changed_in, %s::pg_snapshot)
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment of a database server, and until when it may be asked whether anything has changed since."""

    snapshot: str
    server_started_at: datetime
    until: datetime


def look(who: Principal) -> tuple[list[Sight], Mark]:
    """What `sights` says, and a mark for asking later whether it still does. Not within a transaction."""
    ((snapshot, started_at, until),) = statements.run(_NOW, [])
    found = seeing.sights(who)
    return found, Mark(snapshot, started_at, min([until, *(seen.available_until for seen in found)]))


def look_again(who: Principal, mark: Mark) -> Mark | None:
    """A newer mark, where the caller sees what it saw at this one, through the same keys; None where that may differ.

    The caller has to be the same, with the same places. The holder of a link has to look anew, for it may be revoked;
    so has everyone once another server answers, which gives the numbers of lost transactions out again.
    """
    if who.kind == "link":
        return None
    condition, parameters = seeing.recipient_sql(who)
    delivered, moved = (f"{_LATELY.format(row=row)} AND {condition}" for row in ("d", "t"))
    lately = [mark.snapshot, mark.snapshot, *parameters]
    ((snapshot, started_at, _, is_over, has_changed),) = statements.run(
        f"{_NOW}, now() >= %s::timestamptz, EXISTS ({delivered}) OR EXISTS ({moved})",
        [mark.until, *lately, *lately],
    )
    if is_over or has_changed or started_at != mark.server_started_at:
        return None
    return Mark(snapshot, started_at, mark.until)
