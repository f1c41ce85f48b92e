"""The vault on a disk: streams end before a sync, and what was synced is durable."""

import os
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.transfers.vault.packs import CT, KEY, MR, PREFIX, get, put
from transfers import vault
from transfers.vault import disk


def test_an_abandoned_stream_leaves_nothing(writer: vault.PackWriter) -> None:
    first = put(writer, MR)
    writer.begin()
    writer.write(CT)
    writer.abandon()
    assert vault.size(writer.name) == first.offset + first.sealed_length
    second = put(writer, CT)
    assert second.ordinal == 2
    assert [get(writer, first), get(writer, second)] == [MR, CT]


def test_abandoning_nothing_changes_nothing(writer: vault.PackWriter) -> None:
    stretch = put(writer, MR)
    writer.abandon()
    assert get(writer, stretch) == MR
    assert put(writer, MR).ordinal == 1


def test_a_stream_must_end_before_the_next_and_before_a_sync(writer: vault.PackWriter) -> None:
    writer.begin()
    with pytest.raises(ValueError, match="takes no stream"):
        writer.begin()
    with pytest.raises(ValueError, match="still running"):
        writer.sync()


def test_nothing_is_durable_before_the_sync(writer: vault.PackWriter) -> None:
    stretch = put(writer, MR)
    assert writer.durable_length == 0
    writer.sync()
    assert writer.durable_length == stretch.offset + stretch.sealed_length


def test_a_disk_pack_goes_on_after_a_sync(writer: vault.PackWriter) -> None:
    first = put(writer, MR)
    writer.sync()
    second = put(writer, CT)
    writer.sync()
    assert [get(writer, first), get(writer, second)] == [MR, CT]


def test_data_and_then_the_folder_are_synced_once(writer: vault.PackWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(os, "fdatasync", lambda fd: calls.append("data"))
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append("folder"))
    for _ in range(2):
        put(writer, MR)
        writer.sync()
    assert calls == ["data", "folder", "data"]


def test_a_small_pack_starts_no_helper(writer: vault.PackWriter) -> None:
    before = threading.active_count()
    put(writer, CT)
    writer.sync()
    assert threading.active_count() == before


def test_a_long_push_is_synced_as_it_goes(writer: vault.PackWriter) -> None:
    writer.begin()
    for _ in range(20):
        writer.write(bytes(1 << 20))
    writer.end()
    writer._target._join()  # type: ignore[attr-defined]  # else the test would have to sleep
    assert writer.durable_length >= 16 << 20


def test_helpers_are_shared_and_bounded() -> None:
    with ExitStack() as packs:
        for _ in range(disk.SYNCS_AT_ONCE + 8):
            pack = packs.enter_context(vault.open_pack(vault.new_name(), key=KEY, aad_prefix=PREFIX))
            put(pack, CT)
            pack.begin_sync()
    running = [one for one in threading.enumerate() if one.name.startswith("pack-sync")]
    assert 0 < len(running) <= disk.SYNCS_AT_ONCE


def test_what_began_on_the_way_is_waited_for(writer: vault.PackWriter) -> None:
    put(writer, MR)
    writer.begin_sync()
    after = put(writer, CT)
    writer.sync()
    assert writer.durable_length == writer.length == after.offset + after.sealed_length


def test_folders_of_another_process_are_synced_before_they_are_built_upon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.Disk(tmp_path).create(vault.new_name()).close()
    synced: list[Path] = []
    monkeypatch.setattr(disk, "sync_folder", synced.append)
    another = disk.Disk(tmp_path)
    another.create(vault.new_name()).close()
    another.create(vault.new_name()).close()
    assert synced == [tmp_path]
