"""Time is moved by moving the times of rows, never a clock."""

from datetime import timedelta

from django.db.models import F

from transfers import lookups
from transfers.models import Transfer
from transfers.rules import retention

DAY = timedelta(days=1)


def age(transfer: Transfer, by: timedelta) -> None:
    """Make it so much later for one transfer, with its key wrapped for the day it then has."""
    moved = [*("created_at", "sent_at", "available_at", "state_changed_at", "touched_at")]
    moved += ["available_until", "purge_at", "closed_at"]
    Transfer.objects.filter(pk=transfer.pk).update(**{name: F(name) - by for name in moved})
    transfer.refresh_from_db()
    if transfer.wrapped_key is not None:
        lookups.rewrap(transfer, purge_day=retention.purge_day(transfer.purge_at))
