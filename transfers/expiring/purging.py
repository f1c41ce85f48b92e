"""Destroy what is due: keys and records in one transaction each, objects after it, day keys when their day is over.

A crash anywhere resumes: a claim that rolled back is claimed again, objects that are there still are deleted again,
a day key that is gone is only written down.
"""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Expression, Q, QuerySet
from django.db.models.functions import Greatest, Now

from accounts import audit
from accounts.principals import system
from transfers import keys, sweeps, transitions, vault
from transfers.expiring import braking, clock, destroying
from transfers.expiring.braking import Load
from transfers.keys import holding
from transfers.models import Destruction, Lease, Pack, Switch, Transfer
from transfers.rules import retention
from transfers.rules.lifecycle import LEASE_LIVES, Reason, State

# A day is let lie for a while: what is due in its last minutes is destroyed first, and then its key at one go.
_AFTER_MIDNIGHT: Final = timedelta(hours=1)
_WHO = system("expiry")


def purge_due() -> int:
    """Destroy every transfer that is due, unless the brake is on; returns how many."""
    if not braking.may_purge(_load()):
        return 0
    return sweeps.each(due().order_by("purge_at").values_list("pk", flat=True), _purge)


def due() -> QuerySet[Transfer]:
    """What is to be destroyed now: closed or rejected and past its grace, or a draft nobody touched for 30 days."""
    touched = Greatest("last_byte_at", "touched_at", "state_changed_at")  # of what is not NULL
    return Transfer.objects.alias(touched=touched).filter(_due_at("lte", Now()))


def delete_objects(transfer_id: UUID) -> None:
    """Delete the packs of a transfer that was destroyed, and forget each when it is verified gone."""
    gone = Pack.objects.filter(transfer_id=transfer_id, transfer__state=State.PURGED)
    for pack in gone.order_by("id"):
        if pack.is_open and _is_pushed(transfer_id):
            # A bucket would still make the object when the push ends; the push finds the transfer gone first.
            transitions.enqueue("transfer.purge", str(transfer_id), delay=LEASE_LIVES)
            continue
        vault.abort(pack.name, pack.upload_id)
        vault.delete(pack.name)
        vault.delete(pack.name, quarantined=True)
        if not vault.exists(pack.name):
            Pack.objects.filter(pk=pack.pk).update(deleted_at=Now(), is_open=False)
    with transaction.atomic():
        if not gone.filter(deleted_at=None).exists():
            gone.delete()
            Destruction.objects.filter(transfer_id=transfer_id, objects_deleted_at=None).update(
                objects_deleted_at=Now()
            )


def destroy_day_keys() -> int:
    """Destroy each key whose day is over and that no live transfer is wrapped under; returns how many.

    Keys are made for the present day and later ones, and wrapping holds the day it is for (keys/holding.py).
    """
    if braking.is_held() or braking.is_on(braking.BRAKE):
        return 0
    today = (clock.now() - _AFTER_MIDNIGHT).astimezone(UTC).date()
    over = {day.id for day in keys.list_day_keys() if day.day < today}
    open_records = Destruction.objects.filter(day_key_destroyed_at=None).values_list("day_key_id", flat=True)
    # Gone already, but a crash came before that was written down.
    over |= {day_key_id for day_key_id in open_records.distinct() if keys.day_of(day_key_id) < today}
    return sweeps.each(sorted(over), _destroy_day_key)


def _load() -> Load:
    """What is due beyond what an operator has confirmed."""
    confirmed = Switch.objects.filter(pk=braking.CONFIRMED, is_on=True).first()
    found = due()
    if confirmed is not None and confirmed.since is not None:
        found = found.filter(_due_at("gt", confirmed.since))
    count = found.count()
    # All transfers are counted only where it matters: this runs every few seconds.
    existing = Transfer.objects.exclude(state=State.PURGED).count() if count >= braking.MASS else 0
    return Load(due=count, existing=existing)


def _due_at(comparison: str, moment: Expression | datetime) -> Q:
    """Transfers whose time to be destroyed compares so: a draft has its own, counted from when it was touched."""
    idle = Q(("state", State.DRAFT), (f"touched__{comparison}", moment - retention.DRAFT_IDLE))
    over = Q(("state__in", [State.CLOSED, State.REJECTED]), (f"purge_at__{comparison}", moment))
    return idle | over


def _purge(transfer_id: UUID) -> bool:
    with transaction.atomic():
        claimed = due().select_for_update(skip_locked=True, of=("self",)).filter(pk=transfer_id).first()
        if claimed is None:
            return False
        reason = Reason.IDLE if claimed.state == State.DRAFT else ""
        destroying.destroy(transfer_id, who=_WHO, reason=reason)
    return True


def _is_pushed(transfer_id: UUID) -> bool:
    alive = Lease.objects.filter(kind="push", heartbeat_at__gt=Now() - LEASE_LIVES)
    return alive.filter(transfer_id=transfer_id).exists()


def _destroy_day_key(day_key_id: str) -> bool:
    with transaction.atomic():
        holding.take(keys.day_of(day_key_id))
        if Transfer.objects.filter(day_key_id=day_key_id, wrapped_key__isnull=False).exists():
            return False
        outcome = keys.destroy_day_key(day_key_id)
        Destruction.objects.filter(day_key_id=day_key_id, day_key_destroyed_at=None).update(
            day_key_destroyed_at=Now(), outcome=outcome
        )
        audit.record(_WHO, "day-key.destroy", organization_id=None, subject=f"day-key:{day_key_id}")
    return True
