"""The transfer that a document makes where the one it is for is available already, and never changes.

It has its id and key before the first byte, so that the document can be sealed for it, and its row in the
transaction that acknowledges the document: of an upload that is refused or breaks off nothing is left.
"""

from typing import Final

from django.db.models import Q
from django.db.models.functions import Now

from accounts import audit, credentials
from accounts.principals import Principal
from transfers import births, lookups
from transfers.births import Unborn
from transfers.keys.opened import TransferKey
from transfers.models import Delivery, Document, Grant, Transfer
from transfers.receiving import Birth, Source
from transfers.rules.lifecycle import OVER, Access, State

_REACHED: Final = (Access.WAITING, Access.OPEN)
_AVAILABLE: Final = """
    SELECT t.id, t.sender_id, t.wrapped_key, t.day_key_id, t.urgency
      FROM transfers_transfer t
     WHERE t.id = %(transfer)s AND t.state = 'available' AND t.available_until > now() AND t.wrapped_key IS NOT NULL
"""


def source(earlier: Transfer) -> Source:
    """On which lease and pack of an upload hang until the transfer they are for is there."""
    return Source(_AVAILABLE, {"transfer": earlier.pk})


def conceive(earlier: Transfer) -> Unborn:
    return births.conceive(
        earlier.sender_id, until=max(earlier.available_until, births.database_now()), grace=earlier.grace
    )


def birth_of(unborn: Unborn, earlier: Transfer) -> Birth:
    return Birth(unborn.transfer_id, earlier.sender_id, unborn.key, is_urgent=earlier.urgency == "urgent")


def held(earlier: Transfer, sha256: bytes) -> Document | None:
    """The same bytes in the transfer, or in one that follows it and reaches all whom it reaches."""
    if own := earlier.documents.filter(sha256=sha256).first():
        return own
    living = Q(transfer__wrapped_key__isnull=False, transfer__available_until__gt=Now())
    later = Document.objects.filter(living, transfer__follows=earlier, sha256=sha256)
    later = later.exclude(transfer__state__in=[*OVER, State.DRAFT]).select_related("transfer").order_by("id")
    reached = _reached(earlier)
    return next((document for document in later if reached <= _reached(document.transfer)), None)


def make(who: Principal, earlier: Transfer, unborn: Unborn) -> tuple[Transfer, TransferKey]:
    """A transfer of its own, to the same recipients, that says what it follows; in the caller's transaction."""
    transfer, key = births.insert(
        who,
        unborn=unborn,
        sender_id=earlier.sender_id,
        sender_department_id=earlier.sender_department_id,
        state=State.RECEIVING,
        until=earlier.available_until,
        grace=earlier.grace,
        urgency=earlier.urgency,
        purpose=earlier.purpose,
        follows=earlier,
        sent_at=births.database_now(),
    )
    _copy_deliveries(earlier, transfer, key)
    audit.record(
        who,
        "transfer.follow-up",
        organization_id=earlier.sender_id,
        subject=f"transfer:{transfer.pk}",
        detail={"follows": str(earlier.pk)},
    )
    return transfer, key


def _reached(transfer: Transfer) -> set[tuple[object, ...]]:
    rows = transfer.deliveries.filter(access__in=_REACHED)
    return {
        (*places, bytes(email) if email is not None else None)
        for *places, email in rows.values_list("organization_id", "department_id", "user_id", "email_hash")
    }


def _copy_deliveries(earlier: Transfer, transfer: Transfer, new: TransferKey) -> None:
    old = lookups.open_key(earlier)
    for delivery in earlier.deliveries.filter(access__in=_REACHED).order_by("id"):
        email = None
        if delivery.email_record is not None and delivery.email_hash is not None:
            row = bytes(delivery.email_hash).hex()
            email = new.seal("email", row, old.open("email", row, delivery.email_record))
        copied = Delivery.objects.create(
            transfer=transfer,
            organization_id=delivery.organization_id,
            department_id=delivery.department_id,
            user_id=delivery.user_id,
            email_record=email,
            email_hash=delivery.email_hash,
            access=delivery.access,
            created_at=Now(),
        )
        _copy_grant(delivery, copied)


def _copy_grant(delivery: Delivery, copied: Delivery) -> None:
    """A link of its own for the follow-up, opened by the PIN that its reader knows: with the tries that are left."""
    grant = delivery.grants.filter(revoked_at=None).order_by("id").first()
    if grant is None:
        return
    Grant.objects.create(
        delivery=copied,
        token_digest=credentials.keyed_digest("link", credentials.new_link_token()),
        factor=grant.factor,
        pin_digest=grant.pin_digest,
        attempts=grant.attempts,
        max_attempts=grant.max_attempts,
        locked_at=grant.locked_at,
        verbs=grant.verbs,
        max_pulls=grant.max_pulls,
        created_at=Now(),
    )
