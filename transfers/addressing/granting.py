"""Deliveries, and for a reader without an account the grant with its second factor.

The PIN is made here and shown to the sender once. The link's secret is not: whoever writes the mail makes it, so
that it exists in the mail alone; until then the grant holds the digest of a secret that nobody has.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from accounts import credentials
from transfers import access, births, lookups, transitions
from transfers.access import Recipient
from transfers.keys.opened import TransferKey
from transfers.models import Delivery, Grant, Transfer
from transfers.rules.lifecycle import Access

VERBS = ["view", "download"]


@dataclass(frozen=True, slots=True)
class IssuedPin:
    """What the sender says on the phone to the reader of a link."""

    delivery_id: int
    email: str = field(repr=False)
    pin: str = field(repr=False)


def add_deliveries(transfer: Transfer, key: TransferKey, recipients: Iterable[Recipient]) -> tuple[IssuedPin, ...]:
    """One delivery for each recipient that has none yet; the PINs of the new grants."""
    pins = []
    for recipient in recipients:
        delivery = _insert(transfer, key, recipient)
        if delivery is None:
            continue
        if delivery.access == Access.WAITING:
            transitions.enqueue("delivery.waiting", str(delivery.pk))
        if recipient.email:
            pins.append(grant(delivery, recipient.email))
    return tuple(pins)


def grant(delivery: Delivery, email: str, *, max_pulls: int | None = None) -> IssuedPin:
    """A link for a reader, whose secret comes with the mail, and the number that opens it."""
    pin = credentials.new_pin()
    Grant.objects.create(
        delivery=delivery,
        token_digest=credentials.keyed_digest("link", credentials.new_link_token()),
        factor="pin",
        pin_digest=access.digest_of_pin(delivery, pin),
        verbs=VERBS,
        max_pulls=max_pulls,
        created_at=births.database_now(),
    )
    return IssuedPin(delivery.pk, email, pin)


def _insert(transfer: Transfer, key: TransferKey, recipient: Recipient) -> Delivery | None:
    hashed = lookups.email_hash(recipient.email) if recipient.email else None
    whom: dict[str, Any] = {  # Any: column values, None where it is another kind of recipient
        "organization_id": recipient.organization_id,
        "department_id": recipient.department_id,
        "user_id": recipient.user_id,
        "email_hash": hashed,
    }
    delivery, is_new = Delivery.objects.get_or_create(
        transfer=transfer,
        **whom,
        defaults={
            "access": recipient.access,
            "email_record": key.seal("email", hashed.hex(), recipient.email.encode()) if hashed else None,
            "created_at": births.database_now(),
        },
    )
    return delivery if is_new else None
