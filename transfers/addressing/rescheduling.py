"""Move the end of a transfer that nobody has been told of: it counts from sending, not from the draft.

The key is wrapped under the day of purging, and look-up hashes are made under that day's index key: a new day
means a new wrap and new hashes, in the same transaction.
"""

from datetime import datetime, timedelta

from transfers import births, lookups
from transfers.addressing import lifetimes
from transfers.models import Transfer
from transfers.rules import retention


def has_default_life(transfer: Transfer) -> bool:
    """Whether the sender left the end to the exchange: it then is exactly what the recipients would get."""
    days = lifetimes.default_days(transfer.sender, lifetimes.recipients_of(transfer))
    return transfer.available_until - transfer.created_at == timedelta(days=days)


def give_default_life(transfer: Transfer, *, start: datetime) -> None:
    """Let the transfer live as long from `start` as its recipients' kind says."""
    days = lifetimes.default_days(transfer.sender, lifetimes.recipients_of(transfer))
    move_end(transfer, start + timedelta(days=days))


def move_end(transfer: Transfer, until: datetime) -> None:
    """Set both instants of a locked transfer, and wrap its key anew where the day of purging changes.

    Counted from an old draft both may have passed. It goes by its idleness, not by them, but no key is ever made for a
    day that is over.
    """
    purge_at = max(retention.purge_at(until, grace=transfer.grace), births.database_now())
    day = retention.purge_day(purge_at)
    if day != retention.purge_day(transfer.purge_at):
        lookups.rewrap(transfer, purge_day=day)
    transfer.available_until, transfer.purge_at = until, purge_at
    transfer.save(update_fields=["available_until", "purge_at"])
