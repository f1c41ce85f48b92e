"""What a recipient answers, and how a sender takes one delivery back."""

from uuid import UUID

from django.db import transaction
from django.db.models.functions import Coalesce, Now

from accounts import audit
from accounts.principals import Principal
from transfers import access, errors, lookups, transitions
from transfers.access import Act, seeing
from transfers.addressing import locking
from transfers.models import Delivery, Grant, Transfer
from transfers.rules import lifecycle
from transfers.rules.lifecycle import Access, Progress, State


@transaction.atomic
def accept(who: Principal, transfer_id: UUID, *, revision: int | None = None) -> None:
    """Take what a sender without a partnership offers; repeated, it changes nothing."""
    transfer, delivery = _own(who, transfer_id, Act.ACCEPT, revision=revision)
    if delivery.access == Access.OPEN:
        return
    _step(delivery, "accept", was_open=transfer.state == State.AVAILABLE)
    transitions.enqueue("delivery.accept", str(delivery.pk))
    _finish(who, transfer, delivery, "delivery.accept")


@transaction.atomic
def decline(who: Principal, transfer_id: UUID, *, reason: str, revision: int | None = None) -> None:
    """Refuse a delivery; the reason goes to the sender, and access ends at once."""
    if not reason.strip():
        raise errors.InvalidField("reason", "Say why, so that the sender knows what to do.")
    transfer, delivery = _own(who, transfer_id, Act.DECLINE, revision=revision)
    sealed = lookups.open_key(transfer).seal("decline", str(delivery.pk), reason.strip().encode())
    _step(delivery, "decline", decline_record=sealed)
    _revoke_grants(delivery)
    transitions.enqueue("delivery.decline", str(delivery.pk))
    _finish(who, transfer, delivery, "delivery.decline")


@transaction.atomic
def acknowledge(who: Principal, transfer_id: UUID, *, revision: int | None = None) -> None:
    """Prove receipt, the caller standing for it by name; repeated, it changes nothing."""
    transfer, delivery = _own(who, transfer_id, Act.ACKNOWLEDGE, revision=revision)
    if delivery.access != Access.OPEN:
        raise errors.Conflict("Accept it first: what was not received cannot be acknowledged.")
    if delivery.progress == Progress.PROVEN:
        return
    Delivery.objects.filter(pk=delivery.pk).update(
        progress=Progress.PROVEN, proven_at=Now(), proven_by=who.ident, opened_at=Coalesce("opened_at", Now())
    )
    _finish(who, transfer, delivery, "delivery.acknowledge")


@transaction.atomic
def note_opened(who: Principal, transfer_id: UUID) -> None:
    """The caller reads whose images they are: its delivery is opened by that, as one by link is with its PIN.

    Said once; who stands on the sender's side reads its own.
    """
    if who.kind == "link" or seeing.is_sender(who, transfer_id):
        return
    rows = Delivery.objects.filter(seeing.recipient_q(who), access=Access.OPEN, progress=Progress.NONE)
    mine = rows.filter(transfer=transfer_id, transfer__state=State.AVAILABLE, transfer__available_until__gt=Now())
    for delivery in mine.select_related("transfer"):
        still = Delivery.objects.filter(pk=delivery.pk, progress=Progress.NONE)
        if still.update(progress=Progress.OPENED, opened_at=Now()):
            _audit(who, delivery.transfer, delivery, "delivery.open")


@transaction.atomic
def revoke(who: Principal, delivery_id: int, *, transfer_id: UUID | None = None, revision: int | None = None) -> None:
    """Take one delivery back: its access and its links end with this transaction. Repeated, it changes nothing."""
    found = Delivery.objects.filter(pk=delivery_id).values_list("transfer_id", flat=True).first()
    where = transfer_id or found
    if where is None:
        raise errors.NotFound
    transfer = locking.lock_open(who, where, Act.REVOKE, revision=revision)
    if found != transfer.pk:
        raise errors.InvalidField("delivery", "This transfer has no such delivery. Read the transfer for its numbers.")
    delivery = transfer.deliveries.get(pk=delivery_id)
    if delivery.access == Access.REVOKED:
        return
    _step(delivery, "revoke")
    _revoke_grants(delivery)
    _finish(who, transfer, delivery, "delivery.revoke")


def _own(who: Principal, transfer_id: UUID, act: Act, *, revision: int | None) -> tuple[Transfer, Delivery]:
    """The caller's delivery, locked with its transfer while that is available."""
    mine = access.delivery_for(who, transfer_id, act)
    transfer = locking.lock_open(who, transfer_id, act, revision=revision)
    if transfer.state != State.AVAILABLE:
        raise errors.Conflict("It is not available yet. You are told when it is.")
    return transfer, transfer.deliveries.get(pk=mine.pk)


def _step(delivery: Delivery, verb: str, **changes: object) -> None:
    target = lifecycle.ACCESS_STEPS.get((Access(delivery.access), verb))
    if target is None:
        raise errors.Conflict(f"A delivery that is {delivery.access} does not permit: {verb}.")
    Delivery.objects.filter(pk=delivery.pk).update(access=target, **changes)


def _revoke_grants(delivery: Delivery) -> None:
    Grant.objects.filter(delivery=delivery, revoked_at=None).update(revoked_at=Now())


def _finish(who: Principal, transfer: Transfer, delivery: Delivery, action: str) -> None:
    locking.bump(transfer)
    _audit(who, transfer, delivery, action)
    if transfer.close_when_fulfilled:
        transitions.enqueue("transfer.settle", str(transfer.pk))


def _audit(who: Principal, transfer: Transfer, delivery: Delivery, action: str) -> None:
    audit.record(
        who,
        action,
        organization_id=transfer.sender_id,
        subject=f"transfer:{transfer.pk}",
        detail={"delivery": delivery.pk},
    )
