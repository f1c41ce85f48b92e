"""Hold one transfer's row while it is changed, on the revision the caller read."""

from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from accounts.principals import Principal
from transfers import access, births, errors
from transfers.access import Act
from transfers.models import Transfer
from transfers.rules.lifecycle import OVER, State


def lock_for(who: Principal, transfer_id: UUID, act: Act, *, revision: int | None = None) -> Transfer:
    """The transfer's row, locked, if the caller may do this to it and has read its present revision."""
    access.transfer_for(who, transfer_id, act)
    transfer = Transfer.objects.select_for_update().get(pk=transfer_id)
    if revision is not None and transfer.revision != revision:
        raise errors.PreconditionFailed
    return transfer


def lock_open(who: Principal, transfer_id: UUID, act: Act, *, revision: int | None = None) -> Transfer:
    """As lock_for, but Gone once the transfer is over, by state or by the clock."""
    transfer = lock_for(who, transfer_id, act, revision=revision)
    has_lapsed = transfer.state != State.DRAFT and transfer.available_until <= births.database_now()
    if transfer.state in OVER or has_lapsed or transfer.wrapped_key is None:
        raise errors.Gone("This transfer is over and cannot be changed any more.")
    return transfer


def bump(transfer: Transfer) -> None:
    """Make older copies of the transfer stale, and say that somebody cares for it."""
    Transfer.objects.filter(pk=transfer.pk).update(revision=F("revision") + 1, touched_at=Now())
