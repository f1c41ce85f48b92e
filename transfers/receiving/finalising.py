"""When pushing has ended: nothing in flight, and quiet for as long as the sender's settings say."""

from uuid import UUID

from django.db import connection, transaction

from accounts import statements
from accounts.principals import system
from transfers import errors, sweeps, transitions, vault
from transfers.rules.lifecycle import LEASE_LIVES, Event

_DUE = """
    SELECT t.id, t.finalise_requested FROM transfers_transfer t
     WHERE t.state = 'receiving' AND (t.quiet_until <= now() OR t.finalise_requested)
       AND NOT EXISTS (SELECT FROM transfers_lease l WHERE l.transfer_id = t.id AND l.kind = 'push'
                          AND l.heartbeat_at > now() - %s::interval)
     ORDER BY t.finalise_requested DESC, t.quiet_until LIMIT 500
"""
_BROUGHT_NOTHING = """
    SELECT (state = 'receiving' OR (state = 'draft' AND NOT EXISTS (
               SELECT FROM transfers_delivery WHERE transfer_id = t.id)))
           AND instance_count = 0 AND declared_instances IS NULL
           AND message_record IS NULL AND purpose = ''
           AND NOT EXISTS (SELECT FROM transfers_document WHERE transfer_id = t.id)
           AND NOT EXISTS (SELECT FROM transfers_declaredinstance WHERE transfer_id = t.id)
           AND NOT EXISTS (SELECT FROM transfers_lease WHERE transfer_id = t.id)
           AND NOT EXISTS (SELECT FROM transfers_idempotencykey WHERE transfer_id = t.id)
           AND NOT EXISTS (SELECT FROM transfers_notification n LEFT JOIN transfers_delivery d ON d.id = n.delivery_id
                            WHERE t.id IN (n.transfer_id, d.transfer_id))
           AND NOT EXISTS (SELECT FROM transfers_grant g JOIN transfers_delivery d ON d.id = g.delivery_id
                            WHERE d.transfer_id = t.id)
      FROM transfers_transfer t WHERE id = %s
"""


def finalise_quiet() -> int:
    """Finalise what has been quiet long enough, or was asked to be; quiet proves nothing about completeness."""
    due: dict[UUID, bool] = dict(statements.run(_DUE, [LEASE_LIVES]))
    return sweeps.each(due, lambda transfer_id: _finalise(transfer_id, "explicit" if due[transfer_id] else "quiet"))


def take_back(transfer_id: UUID) -> bool:
    """Remove a transfer that was made for a push of which nothing could be stored; False where it has become more."""
    with transaction.atomic():
        if not _brought_nothing(transfer_id):
            return False
        _remove(transfer_id)
    return True


def discard_packs(limit: int = 500) -> int:
    """Delete packs that hold nothing any row refers to; the row goes after the object."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id, name FROM transfers_pack p
             WHERE NOT is_open AND deleted_at IS NULL AND committed_length = 0
               AND NOT EXISTS (SELECT FROM transfers_instance i WHERE i.pack_id = p.id)
               AND NOT EXISTS (SELECT FROM transfers_document d WHERE d.pack_id = p.id)
             ORDER BY id LIMIT %s
            """,
            [limit],
        )
        unused = cursor.fetchall()
    for pack_id, name in unused:
        vault.delete(name)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM transfers_pack WHERE id = %s", [pack_id])
    return len(unused)


def _finalise(transfer_id: UUID, how: str) -> int:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            if _brought_nothing(transfer_id):
                _remove(transfer_id)
                return 0
            cursor.execute(
                """
                UPDATE transfers_transfer SET finalised_by = %s, finalise_requested = false
                 WHERE id = %s AND state = 'receiving'
                """,
                [how, transfer_id],
            )
            transitions.apply(transfer_id, Event.FINALISE, who=system("relay"))
    except errors.Conflict:
        return 0
    return 1


def _brought_nothing(transfer_id: UUID) -> bool:
    """Made for a push that brought nothing new, and known to nobody; locked, so that no push slips in.

    What a person made, declared, named a link for or was told of is never taken back like this.
    """
    with connection.cursor() as cursor:
        # A statement of its own: the one that looks then sees the push that this one waited for.
        cursor.execute("SELECT FROM transfers_transfer WHERE id = %s FOR UPDATE", [transfer_id])
        cursor.execute(_BROUGHT_NOTHING, [transfer_id])
        row = cursor.fetchone()
    return bool(row and row[0])


def _remove(transfer_id: UUID) -> None:
    """Nothing was ever promised of it: its row goes, its objects after it (the sweep knows them by their rows)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM transfers_pack WHERE transfer_id = %s", [transfer_id])
        for (name,) in cursor.fetchall():
            vault.delete(name)
        for table in ("pack", "intake", "lease", "delivery", "declaredinstance"):
            cursor.execute(f"DELETE FROM transfers_{table} WHERE transfer_id = %s", [transfer_id])  # noqa: S608
        cursor.execute("DELETE FROM transfers_transfer WHERE id = %s", [transfer_id])
