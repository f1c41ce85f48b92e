"""A link after it was made: opened with its second factor, and renewed where its number or its mail was lost."""

from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from accounts import audit
from accounts.principals import Principal
from transfers import access, errors, lookups, transitions
from transfers.access import Act, Verdict
from transfers.addressing import granting, locking
from transfers.addressing.granting import IssuedPin
from transfers.models import Grant
from transfers.rules.lifecycle import Access


@transaction.atomic
def open_link(grant: Grant, secret: str) -> Verdict:
    """Try the second factor; the sender is told of a link that this try has locked."""
    verdict = access.verify_factor(grant, secret)
    if verdict == Verdict.LOCKED and grant.locked_at is None:
        transitions.enqueue("link.locked", str(grant.pk))
    return verdict


@transaction.atomic
def renew_link(
    who: Principal, transfer_id: UUID, delivery_id: int, *, revision: int | None = None
) -> tuple[IssuedPin, ...]:
    """Give the reader of a link a new one with a new number; every earlier one opens nothing from this moment on.

    The number is shown to the sender once. The link goes by mail, at once where the transfer is available.
    """
    transfer = locking.lock_open(who, transfer_id, Act.RENEW_LINK, revision=revision)
    delivery = transfer.deliveries.filter(pk=delivery_id).first()
    if delivery is None:
        raise errors.InvalidField("delivery", "This transfer has no such delivery. Read the transfer for its numbers.")
    if delivery.email_hash is None or delivery.email_record is None:
        raise errors.InvalidField("delivery", "This recipient has an account and needs no link: they log in.")
    if delivery.access != Access.OPEN:
        raise errors.Conflict(f"This delivery is {delivery.access}: a link would open nothing.")
    last = delivery.grants.order_by("-id").first()
    delivery.grants.filter(revoked_at=None).update(revoked_at=Now())
    email = lookups.open_key(transfer).open("email", bytes(delivery.email_hash).hex(), delivery.email_record).decode()
    pin = granting.grant(delivery, email, max_pulls=last.max_pulls if last else None)
    transitions.enqueue("link.renew", str(delivery.pk))
    locking.bump(transfer)
    audit.record(
        who,
        "link.renew",
        organization_id=transfer.sender_id,
        subject=f"transfer:{transfer.pk}",
        detail={"delivery": delivery.pk},
    )
    return (pin,)
