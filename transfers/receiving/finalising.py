"""When pushing has ended: nothing in flight, and quiet for as long as the sender's settings say."""

from uuid import UUID

from django.db import connection, transaction

from accounts.principals import system
from transfers import errors, transitions, vault
from transfers.receiving.push import LEASE_SECONDS
from transfers.rules.lifecycle import Event

_DUE = """
    SELECT t.id, t.finalise_requested FROM transfers_transfer t
     WHERE t.state = 'receiving' AND (t.quiet_until <= now() OR t.finalise_requested)
       AND NOT EXISTS (SELECT FROM transfers_lease l WHERE l.transfer_id = t.id AND l.kind = 'push'
                          AND l.heartbeat_at > now() - make_interval(secs => %s))
     ORDER BY t.quiet_until LIMIT 500
"""


def finalise_quiet() -> int:
    """Finalise what has been quiet long enough, or was asked to be; quiet proves nothing about completeness."""
    finalised = 0
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [LEASE_SECONDS])
        due = cursor.fetchall()
    for transfer_id, is_explicit in due:
        finalised += _finalise(transfer_id, "explicit" if is_explicit else "quiet")
    return finalised


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
            if _is_empty_follow_up(transfer_id):
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


def _is_empty_follow_up(transfer_id: UUID) -> bool:
    """A transfer made for a push that brought nothing new; locked, so that no push slips in."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT instance_count = 0 AND NOT EXISTS (SELECT FROM transfers_document WHERE transfer_id = t.id)
                   AND message_record IS NULL AND purpose = ''
                   AND NOT EXISTS (SELECT FROM transfers_lease WHERE transfer_id = t.id)
              FROM transfers_transfer t WHERE id = %s FOR UPDATE
            """,
            [transfer_id],
        )
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
