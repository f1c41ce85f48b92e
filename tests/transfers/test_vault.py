"""The vault on a disk: what was synced is there, what is read is authentic, what fails is told."""

import errno
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from pytest_django import Settings

from transfers import errors, vault
from transfers.formats import envelope
from transfers.vault import disk

KEY = bytes(range(32))
PREFIX = (b"st-elsewhere", b"t1", b"p1")
CT = os.urandom(530_000)
MR = os.urandom(70_000)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Settings) -> Path:
    settings.STORAGE_URL = (tmp_path / "packs").as_uri()
    return tmp_path / "packs"


@pytest.fixture
def writer() -> Iterator[vault.PackWriter]:
    with vault.open_pack(vault.new_name(), key=KEY, aad_prefix=PREFIX) as pack:
        yield pack


def put(pack: vault.PackWriter, content: bytes) -> vault.Stretch:
    pack.begin()
    for start in range(0, len(content), 65536):
        pack.write(memoryview(content)[start : start + 65536])
    return pack.end()


def put_and_sync(pack: vault.PackWriter, content: bytes) -> None:
    put(pack, content)
    pack.sync()


def get(pack: vault.PackWriter, stretch: vault.Stretch, *, prefix: vault.AadPrefix = PREFIX) -> bytes:
    return b"".join(vault.read(pack.name, key=KEY, aad_prefix=prefix, stretch=stretch))


def test_what_is_written_is_read(writer: vault.PackWriter) -> None:
    stretches = [put(writer, CT), put(writer, b""), put(writer, MR)]
    writer.sync()
    assert [get(writer, stretch) for stretch in stretches] == [CT, b"", MR]


def test_stretches_follow_each_other_behind_the_version(writer: vault.PackWriter, folder: Path) -> None:
    first, second = put(writer, CT), put(writer, MR)
    assert (first.ordinal, first.offset) == (0, 1)
    assert (second.ordinal, second.offset) == (1, 1 + envelope.sealed_size(len(CT)))
    stored = (folder / writer.name).read_bytes()
    assert stored[0] == envelope.VERSION
    assert len(stored) == second.offset + second.sealed_length == vault.size(writer.name)


def test_only_ciphertext_is_stored(writer: vault.PackWriter, folder: Path) -> None:
    put(writer, b"Mrs X" * 1000)
    assert b"Mrs X" not in (folder / writer.name).read_bytes()


def test_files_and_folders_are_ours_alone(writer: vault.PackWriter, folder: Path) -> None:
    file = folder / writer.name
    assert [one.stat().st_mode & 0o777 for one in (file, file.parent, folder)] == [0o600, 0o700, 0o700]


def test_a_range_is_a_slice(writer: vault.PackWriter) -> None:
    stretch = put(writer, CT)
    part = vault.read(writer.name, key=KEY, aad_prefix=PREFIX, stretch=stretch, start=262_000, stop=300_000)
    assert b"".join(part) == CT[262_000:300_000]


def test_a_long_read_is_not_cut_to_the_buffer(writer: vault.PackWriter, folder: Path) -> None:
    put(writer, bytes(3 << 20))
    with vault.store().reader(writer.name) as read_at:
        assert read_at(0, 3 << 20) == (folder / writer.name).read_bytes()[: 3 << 20]


def test_reads_side_by_side_do_not_mix(writer: vault.PackWriter) -> None:
    stretches = [put(writer, CT), put(writer, MR)]
    readings = [vault.read(writer.name, key=KEY, aad_prefix=PREFIX, stretch=stretch) for stretch in stretches]
    heads = [next(reading) for reading in readings]
    found = [head + b"".join(reading) for head, reading in zip(heads, readings, strict=True)]
    assert found == [CT, MR]


def test_a_document_is_no_instance(writer: vault.PackWriter) -> None:
    writer.begin(kind=vault.DOCUMENT)
    writer.write(b"report")
    stretch = writer.end()
    as_document = vault.read(writer.name, key=KEY, aad_prefix=PREFIX, stretch=stretch, kind=vault.DOCUMENT)
    assert b"".join(as_document) == b"report"
    with pytest.raises(errors.Integrity):
        get(writer, stretch)


@pytest.mark.parametrize("prefix", [(b"other", b"t1", b"p1"), (b"st-elsewhere", b"t2", b"p1")])
def test_another_transfer_reads_nothing(writer: vault.PackWriter, prefix: vault.AadPrefix) -> None:
    stretch = put(writer, MR)
    with pytest.raises(errors.Integrity):
        get(writer, stretch, prefix=prefix)


def test_a_stretch_under_another_ordinal_is_refused(writer: vault.PackWriter) -> None:
    stretch = put(writer, MR)
    with pytest.raises(errors.Integrity):
        get(writer, vault.Stretch(1, stretch.offset, stretch.sealed_length))


def test_a_flipped_bit_is_refused(writer: vault.PackWriter, folder: Path) -> None:
    stretch = put(writer, MR)
    stored = bytearray((folder / writer.name).read_bytes())
    stored[1000] ^= 4
    (folder / writer.name).write_bytes(stored)
    with pytest.raises(errors.Integrity):
        get(writer, stretch)


def test_a_shortened_file_is_refused(writer: vault.PackWriter, folder: Path) -> None:
    stretch = put(writer, MR)
    os.truncate(folder / writer.name, 5000)
    with pytest.raises(errors.Integrity):
        get(writer, stretch)


@pytest.mark.parametrize("version", [b"\x00", b"\x02", b""])
def test_an_unknown_version_is_refused(writer: vault.PackWriter, folder: Path, version: bytes) -> None:
    stretch = put(writer, MR)
    (folder / writer.name).write_bytes(version + (folder / writer.name).read_bytes()[1:] if version else b"")
    with pytest.raises(errors.Integrity):
        get(writer, stretch)


def test_a_missing_object_is_told_from_missing_storage(writer: vault.PackWriter, folder: Path) -> None:
    stretch = put(writer, MR)
    vault.delete(writer.name)
    with pytest.raises(errors.Integrity):
        get(writer, stretch)
    folder.rename(folder.with_name("unplugged"))
    with pytest.raises(errors.StorageUnavailable):
        get(writer, stretch)
    with pytest.raises(errors.StorageUnavailable):
        vault.exists(writer.name)


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


def failing(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def test_a_failed_sync_poisons_what_follows(writer: vault.PackWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    good = put(writer, MR)
    writer.sync()
    put(writer, CT)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", lambda fd: (_ for _ in ()).throw(failing(errno.EIO)))
        with pytest.raises(errors.StorageUnavailable):
            writer.sync()
    with pytest.raises(errors.StorageUnavailable):
        writer.sync()
    with pytest.raises(errors.StorageUnavailable):
        put(writer, bytes(300_000))
    assert writer.durable_length == good.offset + good.sealed_length
    assert get(writer, good) == MR


def test_a_failed_sync_in_the_background_poisons_too(writer: vault.PackWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", lambda fd: (_ for _ in ()).throw(failing(errno.EIO)))
        with pytest.raises(errors.StorageUnavailable):
            put_and_sync(writer, bytes(17 << 20))
    writer.abandon()
    with pytest.raises(errors.StorageUnavailable):
        writer.sync()
    assert writer.durable_length == 0


def test_a_folder_that_cannot_be_synced_poisons(writer: vault.PackWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    put(writer, MR)
    monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(failing(errno.EIO)))
    with pytest.raises(errors.StorageUnavailable):
        writer.sync()
    assert writer.durable_length == 0


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.ENOSPC, errors.StorageFull),
        (errno.EDQUOT, errors.StorageFull),
        (errno.EIO, errors.StorageUnavailable),
        (errno.EROFS, errors.StorageUnavailable),
    ],
)
def test_a_failed_write_is_told_and_the_rest_kept(
    writer: vault.PackWriter,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    expected: type[errors.Unavailable],
) -> None:
    good = put(writer, MR)
    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", lambda *_: (_ for _ in ()).throw(failing(code)))
        with pytest.raises(expected):
            put(writer, CT)
    writer.abandon()
    writer.sync()
    assert writer.durable_length == good.offset + good.sealed_length
    assert get(writer, good) == MR


def test_a_file_that_may_grow_no_more_is_full(writer: vault.PackWriter) -> None:
    good = put(writer, MR)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(errors.StorageFull):
            put(writer, CT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    writer.abandon()
    assert vault.size(writer.name) == good.offset + good.sealed_length


def test_short_writes_are_continued(writer: vault.PackWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: whole(fd, data[:10_000], at))
    assert get(writer, put(writer, CT)) == CT


GIB = 1 << 30


@pytest.mark.parametrize(
    ("total", "free", "full"),
    [
        (1000 * GIB, 49 * GIB, True),
        (1000 * GIB, 51 * GIB, False),
        (20 * GIB, 1 * GIB, True),
        (20 * GIB, 3 * GIB, False),
        (GIB, GIB // 4, False),
        (GIB, GIB // 6, True),
    ],
)
def test_room_is_kept_on_the_volume(
    writer: vault.PackWriter, monkeypatch: pytest.MonkeyPatch, total: int, free: int, full: bool
) -> None:
    volume = SimpleNamespace(f_frsize=4096, f_blocks=total // 4096, f_bavail=free // 4096)
    monkeypatch.setattr(os, "statvfs", lambda path: volume)
    monkeypatch.setattr("transfers.vault.disk._ROOM_KNOWN_FOR", -1.0)
    if full:
        with pytest.raises(errors.StorageFull):
            writer.begin()
    else:
        writer.begin()


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


def test_no_file_stays_open(writer: vault.PackWriter) -> None:
    stretch = put(writer, CT)
    before = os.listdir("/proc/self/fd")
    reading = vault.read(writer.name, key=KEY, aad_prefix=PREFIX, stretch=stretch)
    next(reading)
    reading.close()  # type: ignore[attr-defined]  # a generator, which a door closes when its client leaves
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("url", ["", "/srv/packs", "file://host/packs", "ftp://host/packs"])
def test_an_unknown_storage_is_refused(url: str, settings: Settings) -> None:
    settings.STORAGE_URL = url
    with pytest.raises(errors.StorageUnavailable):
        vault.probe()


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
