"""A transfer comes into being: its key, wrapped for the day it is destroyed, and its row.

Whoever makes one, a push, a sender or a document that follows, says only what is particular to it.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from accounts.models import Organization
from accounts.principals import Principal
from transfers import errors
from transfers.keys import holding, opened
from transfers.keys.opened import TransferKey, WrappedKey
from transfers.models import Transfer
from transfers.rules import allowance, reference, retention
from transfers.rules.lifecycle import OVER, State

_COLLISIONS: Final = 5


def database_now() -> datetime:
    """The clock that decides: the database's, that of the transaction where one is open."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        now: datetime = cursor.fetchone()[0]
    return now


@dataclass(frozen=True, slots=True)
class Unborn:
    """Id and key of a transfer that has no row yet: what it will hold can be sealed for it already."""

    transfer_id: UUID
    key: TransferKey
    wrapped: WrappedKey


def conceive(sender_id: int, *, until: datetime, grace: timedelta) -> Unborn:
    """Draw the id and make the key of a transfer; writes nothing."""
    transfer_id, day = uuid.uuid4(), retention.purge_day(retention.purge_at(until, grace=grace))
    key, wrapped = opened.new(organization=str(sender_id), transfer=str(transfer_id), purge_day=day)
    return Unborn(transfer_id, key, wrapped)


def insert(
    who: Principal,
    *,
    unborn: Unborn | None = None,
    sender_id: int,
    sender_department_id: int | None,
    state: State,
    until: datetime,
    grace: timedelta,
    urgency: str = "routine",
    **columns: Any,  # Any: whatever else the maker knows of it, by column
) -> tuple[Transfer, TransferKey]:
    """Insert a transfer in the caller's transaction; a reference number that is taken is drawn again.

    Raises QuotaExceeded where its sender has as many open ones as it may.
    """
    _ensure_room(sender_id, urgent=urgency == "urgent")
    now, purge_at = database_now(), retention.purge_at(until, grace=grace)
    holding.keep(retention.purge_day(purge_at))
    unborn = _wrapped_anew(unborn, sender_id, purge_at) if unborn else conceive(sender_id, until=until, grace=grace)
    for _ in range(_COLLISIONS):
        try:
            with transaction.atomic():
                transfer = Transfer.objects.create(
                    id=unborn.transfer_id,
                    reference=reference.new(),
                    sender_id=sender_id,
                    sender_department_id=sender_department_id,
                    sender_user_id=who.user_id,
                    principal=who.ident,
                    on_behalf_of=who.on_behalf_of,
                    state=state,
                    state_changed_at=now,
                    created_at=now,
                    available_until=until,
                    grace=grace,
                    urgency=urgency,
                    purge_at=purge_at,
                    wrapped_key=unborn.wrapped.wrapped,
                    day_key_id=unborn.wrapped.day_key_id,
                    **columns,
                )
        except IntegrityError:
            continue
        return transfer, unborn.key
    raise errors.Busy("No free reference number was found. Try again.")


def _ensure_room(sender_id: int, *, urgent: bool) -> None:
    most = Organization.objects.values_list("max_open_transfers", flat=True).get(pk=sender_id)
    count = Transfer.objects.filter(sender=sender_id).exclude(state__in=OVER).count()
    if count >= allowance.of(most, urgent=urgent):
        raise errors.QuotaExceeded("Too many open transfers. Withdraw some, or ask for more.")


def _wrapped_anew(unborn: Unborn, sender_id: int, purge_at: datetime) -> Unborn:
    """Its end may have been moved since it was conceived, and the key of its first day be gone."""
    key, wrapped = opened.rewrap(
        unborn.wrapped,
        organization=str(sender_id),
        transfer=str(unborn.transfer_id),
        purge_day=retention.purge_day(purge_at),
    )
    return Unborn(unborn.transfer_id, key, wrapped)
