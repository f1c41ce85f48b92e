"""Destroy one transfer: in one transaction the key and every sealed record go, and the register stays."""

from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from accounts.principals import Principal
from transfers import transitions
from transfers.expiring import clock, journaling, registering
from transfers.models import Destruction, Tombstone, Transfer
from transfers.rules.lifecycle import Event, State

# In the order of their references. Deliveries stay, so that recipients are told it is gone; packs stay until
# their objects are.
_EMPTY = (
    "DELETE FROM transfers_pullrecord WHERE delivery_id IN (SELECT id FROM transfers_delivery WHERE transfer_id = %s)",
    "DELETE FROM transfers_finding WHERE transfer_id = %s",
    # A later document, of a follow-up, may say that it replaces one of these.
    "UPDATE transfers_document SET replaces_id = NULL"
    " WHERE replaces_id IN (SELECT id FROM transfers_document WHERE transfer_id = %s)",
    "DELETE FROM transfers_document WHERE transfer_id = %s",
    "DELETE FROM transfers_instance WHERE transfer_id = %s",
    "DELETE FROM transfers_declaredinstance WHERE transfer_id = %s",
    "DELETE FROM transfers_series WHERE study_id IN (SELECT id FROM transfers_study WHERE transfer_id = %s)",
    "DELETE FROM transfers_study WHERE transfer_id = %s",
    "DELETE FROM transfers_intake WHERE transfer_id = %s",
    "UPDATE transfers_delivery SET email_record = NULL, decline_record = NULL WHERE transfer_id = %s",
    "UPDATE transfers_notification SET secret_record = NULL WHERE transfer_id = %s",
    "UPDATE transfers_idempotencykey SET answer_record = NULL WHERE transfer_id = %s",
    "UPDATE transfers_transfer SET wrapped_key = NULL, message_record = NULL, patient_hash = NULL WHERE id = %s",
)


def destroy(transfer_id: UUID, *, who: Principal, reason: str = "", at: datetime | None = None) -> None:
    """Destroy a transfer that is closed, rejected or an idle draft, in the caller's transaction.

    `at` is when it was destroyed first, for a restore that repeats it.
    """
    with transaction.atomic():
        transfer = Transfer.objects.select_for_update(of=("self",)).select_related("sender").get(pk=transfer_id)
        moment = at or clock.now()
        reason = reason or transfer.reason or transfer.state
        registering.register(transfer)
        _bury(transfer, reason=reason, at=moment)
        _empty(transfer_id)
        transitions.apply(transfer_id, Event.PURGE, who=who, detail={"why": reason})
        # Last of all: from here on only the commit can fail.
        journaling.begin(transfer_id, reason=reason, at=moment)


def close_by_force(transfer: Transfer, *, who: Principal) -> None:
    """Bring a transfer into a state from which it can be destroyed: a restore woke it up."""
    if transfer.state in (State.CLOSED, State.REJECTED, State.DRAFT):
        return
    transitions.apply(transfer.pk, Event.WITHDRAW, who=who)


def _bury(transfer: Transfer, *, reason: str, at: datetime) -> None:
    Tombstone.objects.create(
        transfer_id=transfer.pk,
        reference=transfer.reference,
        sender=transfer.sender,
        reason=reason,
        study_count=transfer.study_count,
        instance_count=transfer.instance_count,
        byte_count=transfer.byte_count,
        created_at=transfer.created_at,
        available_at=transfer.available_at,
        closed_at=transfer.closed_at,
        purged_at=at,
    )
    Destruction.objects.create(
        transfer_id=transfer.pk,
        sender=transfer.sender,
        closed_at=transfer.closed_at,
        wrap_removed_at=at,
        objects_total=transfer.packs.count(),
        day_key_id=transfer.day_key_id,
    )


def _empty(transfer_id: UUID) -> None:
    with connection.cursor() as cursor:
        for statement in _EMPTY:
            cursor.execute(statement, [transfer_id])
