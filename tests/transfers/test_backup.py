"""Backup and restore on a real database: nothing acknowledged is lost, nothing destroyed comes back."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from accounts.models import AuditEvent, Organization
from tests import factories
from tests.transfers.expiring import conftest as expired
from tests.transfers.expiring.moments import DAY, age
from transfers import errors, expiring, keys, vault
from transfers.expiring import braking, checking, programs, purging
from transfers.keys import opened
from transfers.keys.opened import WrappedKey
from transfers.models import Destruction, Pack, Switch, Tombstone, Transfer
from transfers.rules.lifecycle import State

pytestmark = pytest.mark.django_db(transaction=True)

OTHER = f"restored_{os.getpid()}"
Run = Callable[..., str]


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, settings: Settings) -> None:
    settings.STORAGE_URL = (tmp_path / "packs").as_uri()
    settings.EXCHANGE_KEYS = (tmp_path / "keys").as_uri()


@pytest.fixture
def elsewhere(transactional_db: None) -> Organization:
    return factories.make_organization("st-elsewhere")


@pytest.fixture
def transfer(elsewhere: Organization) -> Transfer:
    return make(elsewhere)


@pytest.fixture
def other_database(transactional_db: None, tmp_path: Path, settings: Settings) -> Iterator[Callable[[], None]]:
    """Move to an empty database and an empty storage, as after a disaster that left the keys."""
    ours = connection.settings_dict["NAME"]

    def move() -> None:
        connection.close()
        connection.settings_dict["NAME"] = OTHER
        settings.STORAGE_URL = (tmp_path / "new-packs").as_uri()

    _maintain(f"DROP DATABASE IF EXISTS {OTHER}", f"CREATE DATABASE {OTHER}")
    yield move
    connection.close()
    connection.settings_dict["NAME"] = ours
    _maintain(f"DROP DATABASE {OTHER} WITH (FORCE)")


def make(sender: Organization, **fields: Any) -> Transfer:  # Any: column values
    transfer = factories.make_transfer(sender, to=[factories.make_organization()], state=State.AVAILABLE, **fields)
    factories.store_instance(transfer, factories.make_ct(PatientName="Canary^Carla", PatientID="CANARY-1"))
    expired.validate(transfer, patient_id="CANARY-1")
    return transfer


def run(*command: str) -> str:
    out = StringIO()
    call_command(*command, stdout=out)
    return out.getvalue()


def test_everything_comes_back_behind_closed_doors(
    transfer: Transfer, other_database: Callable[[], None], tmp_path: Path
) -> None:
    assert "1 packs" in run("backup", str(tmp_path / "backup"))
    other_database()
    said = run("restore", str(tmp_path / "backup"))
    assert "Nothing is lost." in said and "maintenance off" in said
    assert list(checking.check(read_data=True)) == []
    assert Transfer.objects.get().reference == transfer.reference
    assert braking.is_on(braking.MAINTENANCE) and braking.is_held()


def test_a_withdrawn_transfer_does_not_come_back(
    transfer: Transfer, elsewhere: Organization, other_database: Callable[[], None], tmp_path: Path
) -> None:
    kept = make(elsewhere)
    run("backup", str(tmp_path / "backup"))
    expiring.withdraw(expired.principal(elsewhere, "store"), transfer.pk)
    first = Destruction.objects.get().wrap_removed_at
    name = transfer.packs.get().name
    other_database()
    assert "1 transfer destroyed again" in run("restore", str(tmp_path / "backup"))
    gone = Transfer.objects.get(pk=transfer.pk)
    assert (gone.state, gone.wrapped_key) == ("purged", None)
    assert Destruction.objects.get().wrap_removed_at == first
    assert Tombstone.objects.get().reason == "withdrawn"
    assert not vault.exists(name)
    assert factories.key_of(Transfer.objects.get(pk=kept.pk))


def test_a_purge_that_a_crash_cut_off_from_its_journal_does_not_come_back_either(
    transfer: Transfer, elsewhere: Organization, other_database: Callable[[], None], tmp_path: Path
) -> None:
    run("backup", str(tmp_path / "backup"))
    expiring.withdraw(expired.principal(elsewhere, "store"), transfer.pk)
    journal = tmp_path / "keys" / "destructions.jsonl"
    journal.write_text("".join(line for line in journal.open() if '"done"' not in line))
    other_database()
    run("restore", str(tmp_path / "backup"))
    assert Transfer.objects.get().state == State.PURGED


def test_what_was_purged_with_its_day_key_is_destroyed_again_without_it(
    transfer: Transfer, other_database: Callable[[], None], tmp_path: Path
) -> None:
    age(transfer, 47 * DAY)
    expiring.lapse_due()
    run("backup", str(tmp_path / "backup"))
    expiring.purge_due()
    assert expiring.destroy_day_keys() == 1
    other_database()
    assert "Nothing is lost." in run("restore", str(tmp_path / "backup"))
    assert Transfer.objects.get().state == State.PURGED


def test_what_was_acknowledged_since_is_listed_and_kept(
    transfer: Transfer, elsewhere: Organization, other_database: Callable[[], None], tmp_path: Path
) -> None:
    run("backup", str(tmp_path / "backup"))
    late = make(elsewhere).packs.get().name
    other_database()
    shutil.copytree(tmp_path / "packs", tmp_path / "new-packs", dirs_exist_ok=True)
    with pytest.raises(SystemExit):
        call_command("restore", str(tmp_path / "backup"), stdout=(out := StringIO()))
    assert f"Loss: -: The object {late} belongs to no pack." in out.getvalue()
    assert vault.exists(late)


def test_what_was_lost_before_the_backup_is_told(transfer: Transfer, tmp_path: Path) -> None:
    vault.delete(name := transfer.packs.get().name)
    with pytest.raises(SystemExit):
        call_command("backup", str(tmp_path / "backup"), stdout=(out := StringIO()))
    assert f"Missing: the object {name}" in out.getvalue()


def test_keys_and_patients_are_not_in_a_backup(transfer: Transfer, tmp_path: Path) -> None:
    run("backup", str(tmp_path / "backup"))
    plain = programs.run("pg_dump", ["--format=plain"]).encode()
    stored = [plain, *(file.read_bytes() for file in (tmp_path / "backup").rglob("*") if file.is_file())]
    secrets = [line.split()[-1] for file in (tmp_path / "keys").glob("*.key") for line in file.open()][1::2]
    wanted = [b"Canary", b"CANARY-1", *(bytes.fromhex(secret) for secret in secrets), *map(str.encode, secrets)]
    assert len(secrets) >= 2
    assert [word for word in wanted for content in stored if word in content] == []


def test_purging_waits_while_a_backup_runs(transfer: Transfer, tmp_path: Path) -> None:
    seen: list[bool] = []
    original = programs.run

    def watched(program: str, arguments: list[str]) -> str:
        seen.append(braking.is_held())
        return original(program, arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programs, "run", watched)
        run("backup", str(tmp_path / "backup"))
    assert seen == [True] and not braking.is_held()


def test_a_withdrawal_during_the_copy_is_no_loss(transfer: Transfer, elsewhere: Organization, tmp_path: Path) -> None:
    original = programs.run

    def withdrawn(program: str, arguments: list[str]) -> str:
        printed = original(program, arguments)
        expiring.withdraw(expired.principal(elsewhere, "store"), transfer.pk)
        vault.delete(transfer.packs.get().name)
        return printed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programs, "run", withdrawn)
        assert "Missing" not in run("backup", str(tmp_path / "backup"))


@pytest.mark.parametrize("damage", ["pack", "database", "manifest"])
def test_a_damaged_backup_changes_nothing(
    transfer: Transfer, other_database: Callable[[], None], tmp_path: Path, damage: str
) -> None:
    run("backup", str(tmp_path / "backup"))
    files = {"pack": f"packs/{transfer.packs.get().name}", "database": "database.dump", "manifest": "manifest.json"}
    with (tmp_path / "backup" / files[damage]).open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.truncate(file.tell() - 1)
    other_database()
    with pytest.raises(CommandError):
        run("restore", str(tmp_path / "backup"))
    assert connection.introspection.table_names() == []


def test_without_its_keys_a_backup_is_not_restored(
    transfer: Transfer, other_database: Callable[[], None], tmp_path: Path, settings: Settings
) -> None:
    run("backup", str(tmp_path / "backup"))
    other_database()
    settings.EXCHANGE_KEYS = (tmp_path / "other-keys").as_uri()
    (tmp_path / "other-keys").mkdir(mode=0o700)
    with pytest.raises(CommandError, match="not the keys of this backup"):
        run("restore", str(tmp_path / "backup"))


def test_a_database_in_use_is_not_overwritten(transfer: Transfer, tmp_path: Path) -> None:
    run("backup", str(tmp_path / "backup"))
    with pytest.raises(CommandError, match="not empty"):
        run("restore", str(tmp_path / "backup"))
    assert Transfer.objects.exists()


def test_a_backup_goes_into_a_new_folder(transfer: Transfer, tmp_path: Path) -> None:
    run("backup", str(tmp_path / "backup"))
    with pytest.raises(CommandError, match="not empty"):
        run("backup", str(tmp_path / "backup"))


def test_a_backup_can_be_read_by_its_owner_only(transfer: Transfer, tmp_path: Path) -> None:
    run("backup", str(tmp_path / "backup"))
    everything = [tmp_path / "backup", *(tmp_path / "backup").rglob("*")]
    assert [file for file in everything if file.stat().st_mode & 0o077] == []
    assert json.loads((tmp_path / "backup" / "manifest.json").read_text())["packs"][0]["size"] > 0


def test_after_the_day_key_an_old_dump_and_the_store_yield_nothing(transfer: Transfer, tmp_path: Path) -> None:
    age(transfer, 47 * DAY)
    expiring.lapse_due()
    dump = programs.run("pg_dump", ["--format=plain"]).encode()
    shutil.copytree(tmp_path / "packs", tmp_path / "old-packs")
    old = WrappedKey(bytes(transfer.wrapped_key or b""), transfer.day_key_id)
    sender, ident = str(transfer.sender_id), str(transfer.pk)
    assert opened.open_wrapped(old, organization=sender, transfer=ident)
    expiring.purge_due()
    purging.delete_objects(transfer.pk)
    expiring.destroy_day_keys()
    with pytest.raises(errors.Gone):
        opened.open_wrapped(old, organization=sender, transfer=ident)
    assert keys.list_day_keys() == [day for day in keys.list_day_keys() if day.id != old.day_key_id]
    remains = [dump, *(file.read_bytes() for file in (tmp_path / "old-packs").rglob("*") if file.is_file())]
    assert not any(word in content for word in (b"Canary", b"CANARY-1") for content in remains)
    assert not Pack.objects.exists() and AuditEvent.objects.filter(action="day-key.destroy").exists()


def test_switches_and_sessions_stay_behind(
    transfer: Transfer, other_database: Callable[[], None], tmp_path: Path
) -> None:
    braking.pull(braking.BRAKE, "before the backup")
    run("backup", str(tmp_path / "backup"))
    other_database()
    run("restore", str(tmp_path / "backup"))
    assert not Switch.objects.filter(pk=braking.BRAKE).exists()
    assert Switch.objects.filter(pk=braking.LATE).exists()


def _maintain(*statements: str) -> None:
    values = connection.settings_dict
    with psycopg.connect(
        host=values["HOST"] or None,
        port=values["PORT"] or None,
        user=values["USER"],
        password=values["PASSWORD"],
        dbname="postgres",
        autocommit=True,
    ) as administrator:
        for statement in statements:
            administrator.execute(statement)
