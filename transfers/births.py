"""A transfer comes into being: its key, wrapped for the day it is destroyed, and its row.

Whoever makes one, a push, a sender or a document that follows, says only what is particular to it.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError, connection, transaction

from accounts.principals import Principal
from transfers import errors
from transfers.keys import opened
from transfers.keys.opened import TransferKey
from transfers.models import Transfer
from transfers.rules import reference, retention
from transfers.rules.lifecycle import State

_COLLISIONS: Final = 5


def database_now() -> datetime:
    """The clock that decides: the database's, that of the transaction where one is open."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        now: datetime = cursor.fetchone()[0]
    return now


def insert(
    who: Principal,
    *,
    sender_id: int,
    sender_department_id: int | None,
    state: State,
    until: datetime,
    grace: timedelta,
    **columns: Any,  # Any: whatever else the maker knows of it, by column
) -> tuple[Transfer, TransferKey]:
    """Insert a transfer in the caller's transaction; a reference number that is taken is drawn again."""
    now, purge_at = database_now(), retention.purge_at(until, grace=grace)
    for _ in range(_COLLISIONS):
        transfer_id = uuid.uuid4()
        key, wrapped = opened.new(
            organization=str(sender_id), transfer=str(transfer_id), purge_day=retention.purge_day(purge_at)
        )
        try:
            with transaction.atomic():
                transfer = Transfer.objects.create(
                    id=transfer_id,
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
                    purge_at=purge_at,
                    wrapped_key=wrapped.wrapped,
                    day_key_id=wrapped.day_key_id,
                    **columns,
                )
        except IntegrityError:
            continue
        return transfer, key
    raise errors.Busy("No free reference number was found. Try again.")
