"""Which transfer a study goes into: the one that is gathering it, or a new one."""

from typing import Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from accounts import audit
from accounts.principals import Principal
from transfers import births, transitions
from transfers.access import Destination
from transfers.receiving import push
from transfers.receiving.push import Push, Source
from transfers.rules.lifecycle import BIRTHS, GATHERING, Access, Event

_GATHERING: Final = [str(state) for state in GATHERING]
_BY_STUDY: Final = """
    SELECT t.id, t.sender_id, t.wrapped_key, t.day_key_id, t.urgency
      FROM transfers_intake i JOIN transfers_transfer t ON t.id = i.transfer_id
     WHERE i.sender_id = %(sender)s AND i.address = %(address)s AND i.study_instance_uid = %(study)s
       AND t.state = ANY(%(gathering)s) AND (t.available_until > now() OR t.state = 'draft')
       AND t.wrapped_key IS NOT NULL
"""
_BY_ID: Final = """
    SELECT t.id, t.sender_id, t.wrapped_key, t.day_key_id, t.urgency
      FROM transfers_transfer t
     WHERE t.id = %(transfer)s AND t.state = ANY(%(gathering)s) AND t.wrapped_key IS NOT NULL
"""


def open_push(who: Principal, destination: Destination, *, study_instance_uid: str, is_first: bool) -> Push | None:
    """A push into the transfer that takes this study now; None where there is none, or it closes this very moment."""
    if destination.transfer_id is not None:
        source = transfer_source(destination.transfer_id)
    else:
        sender, address = destination.sender_id, destination.address
        values = {"sender": sender, "address": address, "study": study_instance_uid, "gathering": _GATHERING}
        source = Source(_BY_STUDY, values)
    try:
        return push.open_push(who, source, is_first=is_first)
    except IntegrityError:  # a follow-up that had added nothing was removed this very moment
        return None


def transfer_source(transfer_id: UUID) -> Source:
    """One transfer by its id, as long as it takes something."""
    return Source(_BY_ID, {"transfer": transfer_id, "gathering": _GATHERING})


def create_transfer(who: Principal, destination: Destination, *, study_instance_uid: str = "") -> UUID | None:
    """A new transfer for a push, with its delivery and its Intake row; None where another was quicker.

    Two pushes that meet here agree on one transfer: the Intake row is unique, and who comes second finds it.
    """
    try:
        with transaction.atomic():
            _retire_intake(destination, study_instance_uid)
            transfer_id = _insert(who, destination, study_instance_uid)
            _insert_intake(destination, transfer_id, study_instance_uid)
    except IntegrityError:
        return None
    return transfer_id


def _insert(who: Principal, destination: Destination, study_instance_uid: str) -> UUID:
    event = Event.CREATE if destination.is_draft else Event.PUSH_TO_ADDRESS
    step = BIRTHS[event]
    follows = None if destination.is_draft else _available_before(destination, study_instance_uid)
    now = births.database_now()
    transfer, _key = births.insert(
        who,
        sender_id=destination.sender_id,
        sender_department_id=destination.sender_department_id,
        state=step.state,
        until=now + destination.retention,
        grace=destination.grace,
        follows_id=follows,
        sent_at=None if destination.is_draft else now,
        quiet_until=now + destination.quiet_cut,
        close_when_fulfilled=destination.close_when_fulfilled,
    )
    _insert_delivery(destination, transfer.pk)
    audit.record(
        who,
        f"transfer.{event.replace(' ', '-')}",
        organization_id=destination.sender_id,
        subject=f"transfer:{transfer.pk}",
        detail={"state": step.state, "address": destination.address},
    )
    return transfer.pk


def _insert_delivery(destination: Destination, transfer_id: UUID) -> None:
    recipient = destination.recipient
    if recipient is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO transfers_delivery (transfer_id, organization_id, department_id, access, notice, progress,
                                            was_open, proven_by, created_at)
            VALUES (%s, %s, %s, %s, 'pending', 'none', false, '', now()) RETURNING id
            """,
            [transfer_id, recipient.organization_id, recipient.department_id, recipient.access],
        )
        delivery_id = cursor.fetchone()[0]
    if recipient.access == Access.WAITING:
        transitions.enqueue("delivery.waiting", str(delivery_id))


def _insert_intake(destination: Destination, transfer_id: UUID, study_instance_uid: str) -> None:
    if not study_instance_uid:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO transfers_intake (sender_id, address, study_instance_uid, transfer_id)
            VALUES (%s, %s, %s, %s)
            """,
            [destination.sender_id, destination.address, study_instance_uid, transfer_id],
        )


def _retire_intake(destination: Destination, study_instance_uid: str) -> None:
    """Remove the row of a transfer that gathers no more; one that does stays, and the insertion then fails."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM transfers_intake i USING transfers_transfer t
             WHERE t.id = i.transfer_id AND i.sender_id = %s AND i.address = %s AND i.study_instance_uid = %s
               AND (t.state <> ALL(%s) OR (t.available_until <= now() AND t.state <> 'draft')
                    OR t.wrapped_key IS NULL)
            """,
            [destination.sender_id, destination.address, study_instance_uid, _GATHERING],
        )


def _available_before(destination: Destination, study_instance_uid: str) -> UUID | None:
    """The newest available transfer of this study from this sender to this recipient: it will be followed."""
    recipient = destination.recipient
    assert recipient is not None
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT t.id FROM transfers_study s
              JOIN transfers_transfer t ON t.id = s.transfer_id
              JOIN transfers_delivery d ON d.transfer_id = t.id
             WHERE s.study_instance_uid = %s AND t.sender_id = %s AND t.state = 'available'
               AND t.available_until > now() AND d.organization_id = %s
               AND d.department_id IS NOT DISTINCT FROM %s AND d.access <> 'revoked'
             ORDER BY t.available_at DESC LIMIT 1
            """,
            [study_instance_uid, destination.sender_id, recipient.organization_id, recipient.department_id],
        )
        row = cursor.fetchone()
    return row[0] if row else None
