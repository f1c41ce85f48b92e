"""Compare storage with rows, both ways, and end what a killed push left open.

A pack's row is committed before its object exists and removed after it is gone, so an object without row is
nobody's, and a row without object is a loss. Neither is answered at once: the unknown object waits 30 days in
quarantine, the loss is an alarm.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Final

from django.db import transaction
from django.db.models.functions import Now

from accounts import audit
from accounts.principals import system
from transfers import vault
from transfers.expiring import braking, clock, journaling
from transfers.models import Finding, Lease, Pack, Transfer
from transfers.rules.lifecycle import LEASE_LIVES, State

QUARANTINE: Final = timedelta(days=30)
MASS: Final = 20
MASS_SHARE: Final = 0.01
MISSING: Final = "object-missing"

_WHO = system("sweeper")


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did; `missing` counts packs whose object is not there."""

    leases: int = 0
    packs_closed: int = 0
    quarantined: int = 0
    deleted: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class _Storage:
    count: int
    unknown: tuple[str, ...]


def sweep_storage() -> Swept:
    """Bring leases, packs and objects in line; destroys nothing while purging is on hold."""
    leases, closed = end_dead_pushes()
    if braking.is_held():
        return Swept(leases=leases, packs_closed=closed)
    journaling.settle()
    return Swept(
        leases=leases,
        packs_closed=closed,
        quarantined=_quarantine(_compare()),
        deleted=_empty_quarantine(),
        missing=_tell_missing(),
    )


def end_dead_pushes() -> tuple[int, int]:
    """Remove leases whose holder died, and close the packs they left open; returns how many of each."""
    return _end_leases(), sum(_close_pack(pack_id) for pack_id in _deserted_packs())


def unknown_objects() -> list[str]:
    """Objects that belong to no pack."""
    return list(_compare().unknown)


def missing_packs() -> Iterable[Pack]:
    """Packs whose object is not there, though their transfer lives."""
    stored = {found.name for found in vault.list_objects()}
    kept = Pack.objects.filter(is_open=False, deleted_at=None).exclude(transfer__state=State.PURGED)
    for pack in kept.select_related("transfer").order_by("id").iterator():
        if pack.name not in stored and _is_missing(pack):
            yield pack


def _is_missing(pack: Pack) -> bool:
    """Ask again: it may be younger than the list, or gone with its transfer."""
    return not vault.exists(pack.name) and Pack.objects.filter(pk=pack.pk, transfer__wrapped_key__isnull=False).exists()


def _end_leases() -> int:
    return Lease.objects.filter(heartbeat_at__lt=Now() - LEASE_LIVES).delete()[0]


def _deserted_packs() -> list[int]:
    pushed = Lease.objects.filter(kind="push").values("transfer_id")
    open_packs = Pack.objects.filter(is_open=True, created_at__lt=Now() - LEASE_LIVES)
    return list(open_packs.exclude(transfer_id__in=pushed).order_by("id").values_list("pk", flat=True))


def _close_pack(pack_id: int) -> bool:
    """End a pack whose push died: what was committed stays, the rest was never promised to anyone."""
    with transaction.atomic():
        # The transfer first, as a commit locks it: then no commit is on its way into this pack.
        transfer = Transfer.objects.select_for_update().filter(packs=pack_id).first()
        pack = Pack.objects.filter(pk=pack_id, is_open=True).first()
        if transfer is None or pack is None or transfer.leases.filter(kind="push").exists():
            return False
        vault.abort(pack.name, pack.upload_id)
        if pack.committed_length:
            vault.cut_off(pack.name, pack.committed_length)
            Pack.objects.filter(pk=pack_id).update(is_open=False)
        else:
            vault.delete(pack.name)
            pack.delete()
    return True


def _compare() -> _Storage:
    unknown: list[str] = []
    count = 0
    objects = (found.name for found in vault.list_objects())
    while names := list(islice(objects, 1000)):
        count += len(names)
        # Asked after the object was seen: its row is older than it.
        known = set(Pack.objects.filter(name__in=names).values_list("name", flat=True))
        unknown += [name for name in names if name not in known]
    return _Storage(count, tuple(unknown))


def _quarantine(storage: _Storage) -> int:
    is_mass = len(storage.unknown) >= MASS and len(storage.unknown) > MASS_SHARE * storage.count
    if braking.is_on(braking.STORAGE_BRAKE):
        return 0
    if is_mass and not braking.is_on(braking.STORAGE_CONFIRMED):
        note = f"{len(storage.unknown)} of {storage.count} stored objects are unknown to the database."
        braking.pull(braking.STORAGE_BRAKE, note)
        return 0
    for name in storage.unknown:
        vault.quarantine(name)
    if storage.unknown:
        audit.record(_WHO, "storage.quarantine", organization_id=None, detail={"objects": len(storage.unknown)})
    braking.switch_off(braking.STORAGE_CONFIRMED)
    return len(storage.unknown)


def _empty_quarantine() -> int:
    """Delete what nobody missed for 30 days, and bring back what a row names after all."""
    deleted = 0
    for found in list(vault.list_objects(quarantined=True)):
        if Pack.objects.filter(name=found.name, deleted_at=None).exists():
            vault.release(found.name)
        elif found.modified < clock.now() - QUARANTINE:
            vault.delete(found.name, quarantined=True)
            deleted += 1
    return deleted


def _tell_missing() -> int:
    missing = list(islice(missing_packs(), 10_000))
    if len(missing) >= MASS and len(missing) > MASS_SHARE * Pack.objects.filter(is_open=False).count():
        braking.pull(braking.STORAGE_BRAKE, f"{len(missing)} packs are missing: is this the storage of these data?")
        return len(missing)
    for pack in missing:
        _tell(pack)
    if missing:
        note = (
            f"{len(missing)} packs are missing, first of transfer {missing[0].transfer.reference}. Run manage.py fsck."
        )
        braking.pull(MISSING, note)
    else:
        braking.switch_off(MISSING)
    return len(missing)


def _tell(pack: Pack) -> None:
    """Say so in the transfer's own findings, once."""
    with transaction.atomic():
        Transfer.objects.select_for_update().get(pk=pack.transfer_id)
        if Finding.objects.filter(transfer_id=pack.transfer_id, code=MISSING).exists():
            return
        Finding.objects.create(transfer_id=pack.transfer_id, code=MISSING, grade="stop", created_at=clock.now())
        audit.record(
            _WHO,
            "storage.missing",
            organization_id=pack.transfer.sender_id,
            subject=f"transfer:{pack.transfer_id}",
            detail={"pack": pack.name},
        )
