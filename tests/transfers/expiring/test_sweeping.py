"""Storage and rows, compared both ways."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from tests.transfers.expiring.conftest import Make
from transfers import expiring, vault
from transfers.expiring import braking, sweeping
from transfers.models import Finding, Job, Lease, Pack, Switch, Transfer
from transfers.rules.lifecycle import State

pytestmark = pytest.mark.django_db

Put = Callable[[int], list[str]]
STALE = timedelta(minutes=3)


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    return tmp_path / "packs"


@pytest.fixture
def strangers() -> Put:
    """Store objects that no row knows."""

    def put(count: int) -> list[str]:
        names = [vault.new_name() for _ in range(count)]
        for name in names:
            with vault.open_pack(name, key=bytes(32), aad_prefix=(b"", b"", b"")) as pack:
                pack.sync()
        return names

    return put


def push(transfer: Transfer, *, age: timedelta, kind: str = "push") -> Lease:
    then = timezone.now() - age
    return Lease.objects.create(transfer=transfer, kind=kind, principal="x", started_at=then, heartbeat_at=then)


def test_what_is_known_stays(sent: Make) -> None:
    transfer = sent()
    assert expiring.sweep_storage() == sweeping.Swept()
    assert vault.exists(transfer.packs.get().name)


def test_an_unknown_object_waits_in_quarantine_and_goes(strangers: Put, packs: Path, db: None) -> None:
    (name,) = strangers(1)
    assert expiring.sweep_storage().quarantined == 1
    assert not vault.exists(name)
    assert expiring.sweep_storage().deleted == 0
    long_ago = (timezone.now() - timedelta(days=31)).timestamp()
    os.utime(packs / "quarantine" / name, (long_ago, long_ago))
    assert expiring.sweep_storage().deleted == 1


def test_an_object_whose_row_came_back_leaves_quarantine(sent: Make) -> None:
    name = sent().packs.get().name
    vault.quarantine(name)
    expiring.sweep_storage()
    assert vault.exists(name)


def test_a_mass_of_unknown_objects_is_an_alarm_until_confirmed(strangers: Put, db: None) -> None:
    names = strangers(20)
    assert [expiring.sweep_storage().quarantined, expiring.sweep_storage().quarantined] == [0, 0]
    assert Job.objects.filter(event="alarm", row=braking.STORAGE_BRAKE).count() == 1
    assert all(vault.exists(name) for name in names)
    call_command("purge", "confirm")
    assert expiring.sweep_storage().quarantined == 20
    strangers(20)
    assert expiring.sweep_storage().quarantined == 0


def test_19_are_no_mass(strangers: Put, db: None) -> None:
    strangers(19)
    assert expiring.sweep_storage().quarantined == 19


def test_nothing_is_quarantined_while_on_hold(strangers: Put, db: None) -> None:
    strangers(1)
    braking.hold("backup")
    assert expiring.sweep_storage().quarantined == 0


def test_a_missing_object_is_told_once_and_kept_in_the_findings(sent: Make) -> None:
    transfer = sent()
    vault.delete(transfer.packs.get().name)
    assert [expiring.sweep_storage().missing, expiring.sweep_storage().missing] == [1, 1]
    finding = Finding.objects.get(transfer=transfer)
    assert (finding.code, finding.grade) == ("object-missing", "stop")
    assert transfer.reference in Switch.objects.get(pk="object-missing").note
    assert Job.objects.filter(event="alarm", row="object-missing").count() == 1


@pytest.mark.parametrize(("kind", "age", "left"), [
    ("push", timedelta(minutes=1), 1), ("push", STALE, 0), ("pull", timedelta(minutes=1), 1), ("pull", STALE, 0),
])  # fmt: skip
def test_leases_of_the_dead_go(sent: Make, kind: str, age: timedelta, left: int) -> None:
    push(sent(), age=age, kind=kind)
    expiring.end_dead_pushes()
    assert Lease.objects.count() == left


def test_a_pack_whose_push_died_ends_at_what_was_committed(sent: Make, packs: Path) -> None:
    transfer = sent(state=State.RECEIVING)
    pack = transfer.packs.get()
    with (packs / pack.name).open("ab") as file:
        file.write(b"cut off in the middle")
    Pack.objects.update(is_open=True, created_at=timezone.now() - STALE)
    push(transfer, age=STALE)
    assert expiring.end_dead_pushes() == (1, 1)
    assert vault.size(pack.name) == pack.committed_length
    assert not Pack.objects.get().is_open


def test_a_pack_in_which_nothing_was_committed_goes(sent: Make, strangers: Put) -> None:
    (name,) = strangers(1)
    transfer = sent(state=State.RECEIVING)
    Pack.objects.create(name=name, transfer=transfer, created_at=timezone.now() - STALE)
    expiring.end_dead_pushes()
    assert not vault.exists(name) and not Pack.objects.filter(name=name).exists()


def test_a_pack_of_a_push_that_lives_is_left_alone(sent: Make) -> None:
    transfer = sent(state=State.RECEIVING)
    Pack.objects.update(is_open=True, created_at=timezone.now() - STALE)
    push(transfer, age=timedelta(seconds=30))
    assert expiring.end_dead_pushes() == (0, 0)
