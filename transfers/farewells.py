"""Telling the reader of a link that a transfer was withdrawn, whose address is destroyed in that very moment.

The address is opened before the transfer's key goes and sealed again, for this one mail, with a key that serves
nothing else, wrapped under the same day key. It stands in the notification alone, is erased when the mail has left or
cannot be sent, and what a backup kept of it ends with the day key, as all the rest of the transfer does.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models.functions import Now

from transfers import errors, keys
from transfers.keys import opened
from transfers.keys.opened import TransferKey, WrappedKey
from transfers.models import Delivery, Notification, Transfer
from transfers.rules.lifecycle import Access

EVENT: Final = "withdrawn"
_KIND: Final = "farewell"
_LENGTH: Final = 2  # octets that say how long the wrapped key is


@dataclass(frozen=True, slots=True)
class Farewell:
    """One mail that is to be sent once the transfer is gone."""

    delivery_id: int
    message_id: str
    record: bytes = field(repr=False)


def prepare(transfer_id: UUID) -> list[Farewell]:
    """Seal anew the addresses of those who hold a link by mail; in the transaction that destroys the transfer.

    Where its day key is gone the addresses are too, and a withdrawal does not fail for that.
    """
    transfer = Transfer.objects.get(pk=transfer_id)
    if transfer.available_at is None or transfer.wrapped_key is None:
        return []
    told = transfer.deliveries.filter(
        access=Access.OPEN, email_record__isnull=False, notifications__state="sent", notifications__audience="recipient"
    )
    try:
        return [_farewell(transfer, delivery) for delivery in told.distinct().order_by("id")]
    except (errors.Gone, errors.Integrity):
        return []


def write(transfer_id: UUID, farewells: list[Farewell]) -> Iterator[int]:
    """Insert the notifications behind the destruction, which erases what stood there; yields their keys."""
    for one in farewells:
        notification, _ = Notification.objects.update_or_create(
            transfer_id=transfer_id,
            organization=None,
            delivery_id=one.delivery_id,
            event=EVENT,
            audience="recipient",
            defaults={"message_id": one.message_id, "secret_record": one.record, "created_at": Now()},
        )
        yield notification.pk


def address_of(notification: Notification) -> str:
    """The address that was kept for this mail; NotFound where it was erased or its day key is gone."""
    if notification.transfer is None or notification.secret_record is None:
        raise errors.NotFound("The address was destroyed with the transfer.")
    record = bytes(notification.secret_record)
    end = _LENGTH + int.from_bytes(record[:_LENGTH])
    try:
        key = _key_of(notification.transfer, record[_LENGTH:end])
    except errors.Gone:
        raise errors.NotFound("The address was destroyed with the transfer.") from None
    return key.open(_KIND, notification.message_id, record[end:]).decode()


def _farewell(transfer: Transfer, delivery: Delivery) -> Farewell:
    message_id = f"<{secrets.token_hex(16)}@{settings.PUBLIC_HOST}>"[:120]
    row = bytes(delivery.email_hash or b"").hex()
    address = _key_of(transfer, bytes(transfer.wrapped_key or b"")).open("email", row, delivery.email_record or b"")
    key, wrapped = opened.new(
        organization=str(transfer.sender_id), transfer=str(transfer.pk), purge_day=keys.day_of(transfer.day_key_id)
    )
    length = len(wrapped.wrapped).to_bytes(_LENGTH)
    return Farewell(delivery.pk, message_id, length + wrapped.wrapped + key.seal(_KIND, message_id, address))


def _key_of(transfer: Transfer, wrapped: bytes) -> TransferKey:
    return opened.open_wrapped(
        WrappedKey(wrapped, transfer.day_key_id), organization=str(transfer.sender_id), transfer=str(transfer.pk)
    )
