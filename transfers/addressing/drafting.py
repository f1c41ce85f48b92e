"""Drafts: made, given recipients, changed. Nobody is told of a draft."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from django.db import transaction

from accounts import audit
from accounts.models import Organization
from accounts.principals import Principal
from transfers import access, births, declarations, errors, lookups
from transfers.access import Act, Destination, Recipient
from transfers.addressing import declaring, granting, lifetimes, locking, rescheduling
from transfers.addressing.granting import IssuedPin
from transfers.addressing.lifetimes import Lifetime
from transfers.keys.opened import TransferKey
from transfers.models import Transfer
from transfers.rules import purposes
from transfers.rules.lifecycle import State

__all__ = ["MAX_RECIPIENTS", "Created", "IssuedPin", "add_recipients", "change_draft", "create", "remove_recipient"]

MAX_RECIPIENTS: Final = 50

Urgency = Literal["routine", "urgent"]
Content = Literal["complete", "subset", "key images"]


@dataclass(frozen=True, slots=True)
class Created:
    """A new draft; the PINs are shown to the sender now and never again."""

    transfer_id: UUID
    reference: str
    pins: tuple[IssuedPin, ...] = ()


def create(
    who: Principal,
    *,
    recipients: Sequence[str] = (),
    purpose: str = "",
    urgency: Urgency = "routine",
    message: str = "",
    until: datetime | None = None,
    grace: timedelta | None = None,
    content: Content = "complete",
    declared_instances: int | None = None,
    declared_sop_instance_uids: Sequence[str] = (),
    follows: UUID | None = None,
) -> Created:
    """Make a draft of the caller's organisation.

    A recipient is an address of the directory or an e-mail address, a purpose one of rules/purposes.py. Raises
    InvalidField for one that is not there, Forbidden without the right to send, QuotaExceeded at the limit of open
    transfers.
    """
    purposes.check(purpose)
    if declared_sop_instance_uids and declared_instances is not None:
        raise errors.InvalidField("declared_sop_instance_uids", "Declare a number or a list: a list has its number.")
    destination = access.draft_destination(who)
    if who.bound_to:
        raise errors.Forbidden("This key is bound to one transfer and makes no others.")
    resolved = _resolve(who, recipients)
    with transaction.atomic():
        sender = Organization.objects.get(pk=destination.sender_id)
        if follows is not None:
            access.transfer_for(who, follows, Act.SEND)
        life = lifetimes.decide(sender, resolved, now=births.database_now(), until=until, grace=grace)
        transfer, key = _insert(who, destination, life, urgency)
        transfer.purpose, transfer.content = purpose, content
        transfer.declared_instances, transfer.follows_id = declared_instances, follows
        transfer.message_record = _sealed_message(key, message)
        transfer.save(update_fields=["purpose", "content", "declared_instances", "follows", "message_record"])
        if declared_sop_instance_uids:
            declaring.add(transfer, declared_sop_instance_uids)
        pins = granting.add_deliveries(transfer, key, resolved)
        _audit(who, transfer, "transfer.create", recipients=len(resolved), until=life.until.isoformat())
    return Created(transfer.pk, transfer.reference, pins)


def add_recipients(
    who: Principal, transfer_id: UUID, recipients: Sequence[str], *, revision: int | None = None
) -> tuple[IssuedPin, ...]:
    """Address a draft; a recipient it already has stays as it is and gets no second PIN."""
    resolved = _resolve(who, recipients)
    with transaction.atomic():
        transfer = _lock_draft(who, transfer_id, revision=revision)
        had_default = rescheduling.has_default_life(transfer)
        pins = granting.add_deliveries(transfer, lookups.open_key(transfer), resolved)
        if transfer.deliveries.count() > MAX_RECIPIENTS:
            raise errors.InvalidField("recipients", f"Give at most {MAX_RECIPIENTS} recipients.")
        if had_default:
            rescheduling.give_default_life(transfer, start=transfer.created_at)
        locking.bump(transfer)
        _audit(who, transfer, "transfer.address", recipients=len(resolved))
    return pins


def remove_recipient(who: Principal, transfer_id: UUID, delivery_id: int, *, revision: int | None = None) -> None:
    """Take a recipient off a draft, with any link: nobody was told of it, so nothing is kept of it but the trail."""
    with transaction.atomic():
        transfer = _lock_draft(who, transfer_id, revision=revision)
        had_default = rescheduling.has_default_life(transfer)
        delivery = transfer.deliveries.filter(pk=delivery_id).first()
        if delivery is None:
            raise errors.InvalidField("delivery", "This transfer has no such recipient. Read it again.")
        delivery.delete()
        if had_default:
            rescheduling.give_default_life(transfer, start=transfer.created_at)
        locking.bump(transfer)
        _audit(who, transfer, "transfer.remove-recipient")


def change_draft(
    who: Principal,
    transfer_id: UUID,
    *,
    recipients: Sequence[str] = (),
    purpose: str | None = None,
    urgency: Urgency | None = None,
    message: str | None = None,
    declared_instances: int | None = None,
    until: datetime | None = None,
    revision: int | None = None,
) -> tuple[IssuedPin, ...]:
    """Change what a sender says about a transfer; None leaves a field as it is. Returns the PINs of new links.

    Raises InvalidField for an end that passes the limits of the organisation.
    """
    purposes.check(purpose or "")
    pins: tuple[IssuedPin, ...] = ()
    with transaction.atomic():
        if recipients:
            pins, revision = add_recipients(who, transfer_id, recipients, revision=revision), None
        transfer = _lock_draft(who, transfer_id, revision=revision)
        if declared_instances is not None and declarations.exists(transfer_id):
            raise errors.InvalidField("declared_instances", "A list was declared: it says how many will come.")
        changes: dict[str, str | int | bytes | None] = {
            "purpose": purpose,
            "urgency": urgency,
            "declared_instances": declared_instances,
        }
        changes = {column: value for column, value in changes.items() if value is not None}
        if message is not None:
            changes["message_record"] = _sealed_message(lookups.open_key(transfer), message)
        Transfer.objects.filter(pk=transfer.pk).update(**changes)
        if until is not None:
            _set_end(transfer, until)
        locking.bump(transfer)
        fields = sorted([*changes, *(["until"] if until else [])])
        _audit(who, transfer, "transfer.change", fields=fields)
    return pins


def _set_end(transfer: Transfer, until: datetime) -> None:
    recipients = lifetimes.recipients_of(transfer)
    life = lifetimes.decide(transfer.sender, recipients, now=births.database_now(), until=until, grace=transfer.grace)
    rescheduling.move_end(transfer, life.until)


def _resolve(who: Principal, recipients: Iterable[str]) -> list[Recipient]:
    """Who is meant, each once, in the order given."""
    names = list(dict.fromkeys(name.strip().lower() for name in recipients))
    if len(names) > MAX_RECIPIENTS:
        raise errors.InvalidField("recipients", f"Give at most {MAX_RECIPIENTS} recipients.")
    found = [_resolve_one(who, name) for name in names]
    return list({_identity(recipient): recipient for recipient in reversed(found)}.values())[::-1]


def _resolve_one(who: Principal, name: str) -> Recipient:
    if "@" in name:
        return access.resolve_recipient(who, email=name)
    try:
        return access.resolve_recipient(who, address=name)
    except errors.NotFound:
        raise errors.InvalidField(
            "recipients", "There is no such address. Search /api/directory/ for it, or give an e-mail address."
        ) from None


def _identity(recipient: Recipient) -> Recipient:
    return replace(recipient, retention_days=None)


def _insert(who: Principal, destination: Destination, life: Lifetime, urgency: Urgency) -> tuple[Transfer, TransferKey]:
    return births.insert(
        who,
        sender_id=destination.sender_id,
        sender_department_id=destination.sender_department_id,
        state=State.DRAFT,
        until=life.until,
        grace=life.grace,
        urgency=urgency,
        close_when_fulfilled=destination.close_when_fulfilled,
    )


def _lock_draft(who: Principal, transfer_id: UUID, *, revision: int | None) -> Transfer:
    transfer = locking.lock_open(who, transfer_id, Act.SEND, revision=revision)
    if transfer.state != State.DRAFT:
        raise errors.Conflict("Only a draft can be changed. Send a follow-up instead.")
    return transfer


def _sealed_message(key: TransferKey, message: str) -> bytes | None:
    return key.seal("message", "", message.encode()) if message else None


def _audit(who: Principal, transfer: Transfer, action: str, **detail: object) -> None:
    audit.record(who, action, organization_id=transfer.sender_id, subject=f"transfer:{transfer.pk}", detail=detail)
