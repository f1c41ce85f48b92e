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

_SNAPSHOT: Final = "SELECT pg_current_snapshot()::text"
# A number above those given out came with a dump from another cluster, and is old. A snapshot counts what its own
# transaction does as visible.
_LATELY: Final = """
    SELECT FROM transfers_delivery d JOIN transfers_transfer t ON t.id = d.transfer_id
     WHERE {row}.changed_in BETWEEN pg_snapshot_xmin(%s::pg_snapshot)
                            AND greatest(pg_snapshot_xmax(pg_current_snapshot()), pg_current_xact_id_if_assigned())
       AND (NOT pg_visible_in_snapshot({row}.changed_in, %s::pg_snapshot)
            OR {row}.changed_in = pg_current_xact_id_if_assigned())
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment of the database, and when the first transfer that was seen then ends by the clock."""

    snapshot: str
    until: datetime | None


def look(who: Principal) -> tuple[list[Sight], Mark]:
    """What `sights` says, and a mark for asking later whether it still does."""
    ((snapshot,),) = statements.run(_SNAPSHOT, [])
    found = seeing.sights(who)
    return found, Mark(snapshot, min((seen.available_until for seen in found if seen.available_until), default=None))


def look_again(who: Principal, mark: Mark) -> Mark | None:
    """A newer mark, where the caller sees what it saw at this one, through the same keys; None where that may differ.

    The caller has to be the same, with the same places. The holder of a link has to look anew: it may be revoked.
    """
    if who.kind == "link":
        return None
    condition, parameters = seeing.recipient_sql(who)
    delivered, moved = (f"{_LATELY.format(row=row)} AND {condition}" for row in ("d", "t"))
    lately = [mark.snapshot, mark.snapshot, *parameters]
    ((snapshot, is_over, has_changed),) = statements.run(
        f"{_SNAPSHOT}, now() >= %s::timestamptz, EXISTS ({delivered}) OR EXISTS ({moved})",
        [mark.until, *lately, *lately],
    )
    return None if is_over or has_changed else Mark(snapshot, mark.until)
