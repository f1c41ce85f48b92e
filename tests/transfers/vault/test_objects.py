"""The vault on a disk: objects by name, listed, deleted, set aside, and the storage itself probed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.transfers.vault.packs import KEY, MR, PREFIX, get, put
from transfers import errors, vault


def test_a_name_is_written_once(writer: vault.PackWriter) -> None:
    with pytest.raises(errors.StorageUnavailable):
        vault.open_pack(writer.name, key=KEY, aad_prefix=PREFIX)


@pytest.mark.parametrize("name", ["", "../etc/passwd", "ab/../../x", f"ab/cd{'0' * 30}", "/etc/passwd"])
def test_no_name_leads_out_of_the_storage(name: str) -> None:
    for act in (vault.exists, vault.delete, vault.quarantine):
        with pytest.raises(ValueError, match="not the name"):
            act(name)


def test_deleting_twice_is_deleting(writer: vault.PackWriter) -> None:
    vault.delete(writer.name)
    vault.delete(writer.name)
    assert not vault.exists(writer.name)
    with pytest.raises(errors.Integrity):
        vault.size(writer.name)


def test_objects_are_listed_and_nothing_else(writer: vault.PackWriter, folder: Path) -> None:
    stretch = put(writer, MR)
    (folder / "ab").mkdir(exist_ok=True)
    (folder / "ab" / "stranger").write_bytes(b"x")
    (folder / "README").write_bytes(b"x")
    (found,) = vault.list_objects()
    assert (found.name, found.size) == (writer.name, stretch.offset + stretch.sealed_length)
    assert abs(datetime.now(UTC) - found.modified) < timedelta(minutes=1)


def test_a_quarantined_object_is_set_aside_and_can_come_back(writer: vault.PackWriter) -> None:
    stretch = put(writer, MR)
    vault.quarantine(writer.name)
    assert not vault.exists(writer.name)
    assert list(vault.list_objects()) == []
    assert [found.name for found in vault.list_objects(quarantined=True)] == [writer.name]
    vault.release(writer.name)
    assert get(writer, stretch) == MR


def test_a_quarantined_object_can_be_deleted(writer: vault.PackWriter) -> None:
    vault.quarantine(writer.name)
    vault.quarantine(writer.name)
    vault.delete(writer.name, quarantined=True)
    assert list(vault.list_objects(quarantined=True)) == []


def test_a_probe_leaves_nothing(folder: Path) -> None:
    vault.probe()
    assert list(folder.iterdir()) == []


def test_a_probe_of_a_storage_that_is_a_file_fails(folder: Path) -> None:
    folder.write_bytes(b"")
    with pytest.raises(errors.StorageUnavailable):
        vault.probe()


def test_an_abort_has_nothing_to_do_on_a_disk(writer: vault.PackWriter) -> None:
    stretch = put(writer, MR)
    vault.abort(writer.name, writer.upload_id)
    assert get(writer, stretch) == MR


@pytest.mark.parametrize("url", ["", "/srv/packs", "file://host/packs", "ftp://host/packs"])
def test_an_unknown_storage_is_refused(url: str, settings: Settings) -> None:
    settings.STORAGE_URL = url
    with pytest.raises(errors.StorageUnavailable):
        vault.probe()
