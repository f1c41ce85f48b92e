"""Faults of every kind are found, and nothing is touched."""

import json
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from tests import factories
from transfers import keys, vault
from transfers.models import Document, Instance, Pack, Study, Transfer
from transfers.rules.lifecycle import State

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def packs(tmp_path: Path, settings: Settings) -> Path:
    settings.STORAGE_URL = (tmp_path / "packs").as_uri()
    settings.EXCHANGE_KEYS = (tmp_path / "keys").as_uri()
    return tmp_path / "packs"


@pytest.fixture
def transfer() -> Transfer:
    made = factories.make_transfer(state=State.AVAILABLE)
    factories.store_instances(made, [factories.make_ct(), factories.make_ct(pixels=bytes(400_000), Rows=500)])
    factories.store_document(made, b"a report")
    return made


def faults(capsys: pytest.CaptureFixture[str], *, read_data: bool = True) -> list[str]:
    capsys.readouterr()
    try:
        call_command("fsck", "--json", *(["--read-data"] if read_data else []))
    except SystemExit as stopped:
        assert stopped.code == 1
    *lines, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert last == {"faults": len(lines), "read_data": read_data}
    return [line["kind"] for line in lines]


def test_a_sound_exchange_has_no_fault(transfer: Transfer, capsys: pytest.CaptureFixture[str]) -> None:
    assert faults(capsys) == []
    call_command("fsck", "--read-data")
    assert capsys.readouterr().out == "No fault found.\n"


def test_json_of_a_sound_exchange_is_one_line_that_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("fsck", "--json")
    assert json.loads(capsys.readouterr().out) == {"faults": 0, "read_data": False}


def test_a_missing_object(transfer: Transfer, capsys: pytest.CaptureFixture[str]) -> None:
    vault.delete(Instance.objects.all()[0].pack.name)
    assert faults(capsys) == ["missing object", "content", "content"]


def test_an_unknown_object(transfer: Transfer, packs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Document.objects.all().delete()
    Pack.objects.filter(instances=None).delete()
    assert faults(capsys) == ["unknown object"]


def test_a_short_object(transfer: Transfer, packs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = Instance.objects.all()[0].pack
    vault.cut_off(pack.name, pack.committed_length - 1)
    assert faults(capsys, read_data=False) == ["short object"]


def test_one_flipped_byte(transfer: Transfer, packs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = packs / Instance.objects.all()[0].pack.name
    content = bytearray(file.read_bytes())
    content[200] ^= 1
    file.write_bytes(content)
    assert faults(capsys, read_data=False) == []
    assert faults(capsys) == ["content"]


def test_another_digest(transfer: Transfer, capsys: pytest.CaptureFixture[str]) -> None:
    Document.objects.update(sha256=bytes(32))
    assert faults(capsys) == ["content"]


def test_wrong_counts(transfer: Transfer, capsys: pytest.CaptureFixture[str]) -> None:
    Transfer.objects.update(instance_count=3)
    Study.objects.filter(pk=Study.objects.all()[0].pk).update(instance_count=0)
    assert faults(capsys) == ["count", "count"]


def test_a_stretch_outside_its_pack(transfer: Transfer, capsys: pytest.CaptureFixture[str]) -> None:
    Instance.objects.filter(pk=Instance.objects.all()[0].pk).update(offset=1 << 40)
    assert faults(capsys, read_data=False) == ["stretch"]


def test_a_lost_day_key(transfer: Transfer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in (tmp_path / "keys").glob("day-*"):
        file.unlink()
    assert keys.list_day_keys() == []
    assert faults(capsys) == ["key"]


def test_the_lines_name_the_transfer_and_no_patient(transfer: Transfer, capsys: pytest.CaptureFixture[str]) -> None:
    Transfer.objects.update(instance_count=3)
    with pytest.raises(SystemExit):
        call_command("fsck")
    assert capsys.readouterr().out == f"{transfer.reference}: The transfer says 3 instances and holds 2.\n"
