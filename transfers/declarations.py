"""What a sender declared to belong to a transfer, one by one: a commitment list of SOP Instance UIDs.

Compared in the database, so that a list of any length costs no memory here. Whoever adds to a list or reads one to
decide holds the lock of its transfer.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from accounts import statements
from transfers import errors

# About as many images as the largest examinations have, a hundred times over; 64 characters each at most.
MOST: Final = 100_000

_ADD: Final = """
    INSERT INTO transfers_declaredinstance (transfer_id, sop_instance_uid)
    SELECT %s, uid FROM unnest(%s::text[]) AS uid ORDER BY uid ON CONFLICT DO NOTHING
"""
_COUNT: Final = "SELECT count(*) FROM transfers_declaredinstance WHERE transfer_id = %s"
# What a transfer that this one follows holds in this version is not sent a second time: it counts as here.
_COMPARE: Final = """
    WITH RECURSIVE chain AS (
        SELECT id, follows_id FROM transfers_transfer WHERE id = %(transfer)s
        UNION SELECT t.id, t.follows_id FROM transfers_transfer t JOIN chain ON t.id = chain.follows_id)
    SELECT (SELECT count(*) FROM transfers_declaredinstance WHERE transfer_id = %(transfer)s),
           (SELECT count(*) FROM transfers_declaredinstance d WHERE d.transfer_id = %(transfer)s
               AND NOT EXISTS (SELECT FROM transfers_instance i JOIN chain ON chain.id = i.transfer_id
                                WHERE i.sop_instance_uid = d.sop_instance_uid)),
           (SELECT count(*) FROM transfers_instance i WHERE i.transfer_id = %(transfer)s
               AND NOT EXISTS (SELECT FROM transfers_declaredinstance d
                                WHERE (d.transfer_id, d.sop_instance_uid) = (i.transfer_id, i.sop_instance_uid)))
"""


@dataclass(frozen=True, slots=True)
class Comparison:
    """`absent` are declared and not here, `unlisted` are here and not declared; all 0 without a list."""

    listed: int = 0
    absent: int = 0
    unlisted: int = 0


def add(transfer_id: UUID, uids: Collection[str]) -> int:
    """Add to the list of a transfer, each UID once; returns how many it holds by then.

    Raises InvalidField where they are too many.
    """
    statements.run(_ADD, [transfer_id, list(uids)])
    count = _count(transfer_id)
    if count > MOST:
        raise errors.InvalidField("sop_instance_uids", f"Declare at most {MOST} instances for a transfer.")
    return count


def exists(transfer_id: UUID) -> bool:
    """Whether the transfer has a list, and not just a number."""
    return _count(transfer_id) > 0


def compare(transfer_id: UUID) -> Comparison:
    """What was declared beside what is here."""
    rows = statements.run(_COMPARE, {"transfer": transfer_id})
    listed, absent, unlisted = rows[0]
    return Comparison(listed, absent, unlisted) if listed else Comparison()


def reached_by(transfer_id: UUID, *, declared: int | None, present: int, is_follow_up: bool) -> str:
    """How it is known that everything is here: `commitment` by a list, `declared` by a number, "" where it is not.

    `declared` is the number declared, that of the list where there is one; `present` is how many are here. The list
    is looked at only when that can matter: a push is in a hurry.
    """
    if declared is None or (present < declared and not is_follow_up):
        return ""
    comparison = compare(transfer_id)
    if comparison.listed:
        return "" if comparison.absent else "commitment"
    return "declared" if present >= declared else ""


def _count(transfer_id: UUID) -> int:
    row = statements.one(_COUNT, [transfer_id])
    return int(row[0]) if row else 0
