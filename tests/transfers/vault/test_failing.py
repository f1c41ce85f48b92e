"""The vault on a disk: what fails is told, poisons what follows, and keeps what was good."""

import errno
import os
import resource
from types import SimpleNamespace

import pytest

from tests.transfers.vault.packs import CT, MR, get, put
from transfers import errors, vault


def put_and_sync(pack: vault.PackWriter, content: bytes) -> None:
    put(pack, content)
    pack.sync()


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
