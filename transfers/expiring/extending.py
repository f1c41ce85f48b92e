"""Move the end of a transfer: longer while it lives, or open again while its key is still there.

The key is wrapped under the day of purging, so another day means another wrap and other look-up hashes, all in
one transaction: at no moment is there a wrap for a day that is not the transfer's.
"""

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from accounts import audit
from accounts.principals import Principal, system
from transfers import access, errors, lookups, transitions
from transfers.access import Act
from transfers.expiring import clock
from transfers.models import Transfer
from transfers.rules import retention
from transfers.rules.lifecycle import REOPENABLE, Event, Reason, State

_LIVING = (State.DRAFT, State.RECEIVING, State.VALIDATING, State.HELD, State.AVAILABLE)


def extend(who: Principal, transfer_id: UUID, until: datetime, revision: int | None = None) -> Transfer:
    """Keep a transfer available longer, within the ceiling counted from the day it became available.

    Raises Gone where it is over already (it may be re-opened), BadRequest for a time that is too near or too far.
    """
    access.transfer_for(who, transfer_id, Act.EXTEND)
    with transaction.atomic():
        transfer = _locked(transfer_id, revision)
        now = clock.now()
        if transfer.state not in _LIVING or transfer.available_until <= now:
            raise errors.Gone("Its time is up already. Open it again instead.")
        _move_end(transfer, until, present=transfer.available_until, now=now)
        Transfer.objects.filter(pk=transfer_id).update(revision=F("revision") + 1, touched_at=Now())
        audit.record(
            who,
            "transfer.extend",
            organization_id=transfer.sender_id,
            subject=f"transfer:{transfer_id}",
            detail={"until": transfer.available_until.isoformat()},
        )
    return Transfer.objects.get(pk=transfer_id)


def reopen(who: Principal, transfer_id: UUID, until: datetime, revision: int | None = None) -> Transfer:
    """Open a lapsed or fulfilled transfer again while its grace lasts.

    Only what once was available: what lapsed while it was held would otherwise get past its findings.
    """
    access.transfer_for(who, transfer_id, Act.REOPEN)
    with transaction.atomic():
        transfer = _locked(transfer_id, revision)
        now = clock.now()
        if transfer.state == State.AVAILABLE and transfer.available_until <= now:
            # The clock has closed it; what the next sweep would write down is not waited for.
            transitions.apply(transfer_id, Event.LAPSE, who=system("expiry"))
            transfer.refresh_from_db()
        _ensure_reopenable(transfer, now)
        transitions.apply(transfer_id, Event.REOPEN, who=who)
        _move_end(transfer, until, present=None, now=now)
    return Transfer.objects.get(pk=transfer_id)


def _locked(transfer_id: UUID, revision: int | None) -> Transfer:
    transfer = Transfer.objects.select_for_update(of=("self",)).select_related("sender").get(pk=transfer_id)
    if revision is not None and transfer.revision != revision:
        raise errors.PreconditionFailed
    return transfer


def _ensure_reopenable(transfer: Transfer, now: datetime) -> None:
    is_over = transfer.wrapped_key is None or transfer.purge_at <= now
    if transfer.state == State.PURGED or (transfer.state == State.CLOSED and is_over):
        raise errors.Gone("It was destroyed and cannot be opened again. Send it again.")
    if transfer.state != State.CLOSED or Reason(transfer.reason) not in REOPENABLE:
        raise errors.Conflict("Only a transfer that lapsed or was fulfilled can be opened again.")
    if transfer.available_at is None:
        raise errors.Conflict("It lapsed before it ever was available. Send it again.")


def _move_end(transfer: Transfer, until: datetime, *, present: datetime | None, now: datetime) -> None:
    transfer.available_until = retention.extension(
        now,
        requested=until,
        present=present,
        available_since=transfer.available_at,
        ceiling_days=transfer.sender.retention_ceiling_days,
        minimum=settings.EXCHANGE_MIN_LIFETIME,
    )
    old_day = retention.purge_day(transfer.purge_at)
    transfer.purge_at = retention.purge_at(transfer.available_until, grace=transfer.grace)
    transfer.save(update_fields=["available_until", "purge_at"])
    if (day := retention.purge_day(transfer.purge_at)) != old_day:
        lookups.rewrap(transfer, purge_day=day)
