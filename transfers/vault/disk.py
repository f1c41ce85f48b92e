"""Packs as files: STORAGE_URL=file:///dir."""

import errno
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from transfers import errors
from transfers.formats import envelope
from transfers.formats.envelope import Readable
from transfers.vault.stores import NAME, ReadAt, StoredObject, require_name

SYNC_EVERY: Final = 16 << 20
"""A long push is synced as it goes, so that little is left to wait for at its end."""
SYNCS_AT_ONCE: Final = 16
QUARANTINE: Final = "quarantine"

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_RESERVE_SHARE = 0.05
_RESERVE = 2 << 30
_RESERVE_CEILING = 0.2  # of a small volume, where 2 GiB would be most of it
_ROOM_KNOWN_FOR = 1.0
# Buffers to read into, of ciphertext only: a fresh one costs more in page faults than the read itself.
_spare: deque[bytearray] = deque(maxlen=64)


class Disk:
    run: int = 4

    def __init__(self, root: Path) -> None:
        self._root = root
        self._room: tuple[float, bool] = (-_ROOM_KNOWN_FOR, True)
        self._has_folders = False
        self._aside = ThreadPoolExecutor(SYNCS_AT_ONCE, thread_name_prefix="pack-sync")

    def create(self, name: str) -> "PackFile":
        path = self._path(name)
        with translated():
            if not self._has_folders:
                self._make_folders()
            try:
                return PackFile(path, ensure_room=self.ensure_room, aside=self._aside)
            except FileNotFoundError:
                self._make_folders()
                return PackFile(path, ensure_room=self.ensure_room, aside=self._aside)

    @contextmanager
    def reader(self, name: str) -> Iterator[ReadAt]:
        with translated():
            try:
                # By hand: a study is many reads, and a Path costs as much as the opening.
                fd = os.open(f"{self._root}/{require_name(name)}", os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                self._require_root()
                raise errors.Integrity("A stored object is missing.") from None

        buffer = _spare.pop() if _spare else bytearray(self.run * envelope.SEGMENT)
        view = memoryview(buffer)

        def read_at(offset: int, length: int) -> Readable:
            with translated():
                if length > len(view):
                    return os.pread(fd, length, offset)
                return view[: os.preadv(fd, [view[:length]], offset)]

        try:
            envelope.require_version(read_at(0, 1))
            yield read_at
        finally:
            os.close(fd)
            _spare.append(buffer)

    def size(self, name: str) -> int | None:
        with translated():
            try:
                return self._path(name).stat().st_size
            except FileNotFoundError:
                self._require_root()
                return None

    def delete(self, name: str, *, quarantined: bool) -> None:
        with translated():
            self._path(name, quarantined=quarantined).unlink(missing_ok=True)

    def objects(self, *, quarantined: bool) -> Iterator[StoredObject]:
        root = self._root / QUARANTINE if quarantined else self._root
        with translated():
            for folder in sorted(root.glob("[0-9a-f][0-9a-f]")):
                for file in sorted(os.scandir(folder), key=lambda entry: entry.name):
                    name = f"{folder.name}/{file.name}"
                    if NAME.fullmatch(name):
                        with suppress(FileNotFoundError):  # deleted meanwhile
                            found = file.stat()
                            yield StoredObject(
                                name=name,
                                size=found.st_size,
                                modified=datetime.fromtimestamp(found.st_mtime, UTC),
                            )

    def quarantine(self, name: str) -> None:
        self._move(self._path(name), self._path(name, quarantined=True))

    def release(self, name: str) -> None:
        self._move(self._path(name, quarantined=True), self._path(name))

    def cut_off(self, name: str, length: int) -> None:
        with translated(), suppress(FileNotFoundError), self._path(name).open("r+b") as file:
            if os.fstat(file.fileno()).st_size > length:
                file.truncate(length)
                os.fsync(file.fileno())

    def abort(self, name: str, upload_id: str) -> None:
        """Nothing to do: a file has no other half elsewhere."""

    def ensure_room(self) -> None:
        asked, enough = self._room
        if time.monotonic() - asked >= _ROOM_KNOWN_FOR:
            with translated():
                enough = self._has_room()
            self._room = (time.monotonic(), enough)
        if not enough:
            raise errors.StorageFull

    def probe(self) -> None:
        token = secrets.token_bytes(16)
        with translated():
            make_folder(self._root)
            file = self._root / f".probe-{token.hex()}"
            try:
                file.write_bytes(token)
                same = file.read_bytes() == token
            finally:
                file.unlink(missing_ok=True)
        if not same:
            raise errors.StorageUnavailable

    def _path(self, name: str, *, quarantined: bool = False) -> Path:
        return (self._root / QUARANTINE if quarantined else self._root) / require_name(name)

    def _make_folders(self) -> None:
        """All that names fan out into: one sync for them together, not one at nearly every push to a new disk.

        Every process syncs them once, for those it finds may be another's that has not done so yet.
        """
        make_folder(self._root)
        for number in range(256):
            with suppress(FileExistsError):
                (self._root / f"{number:02x}").mkdir(mode=0o700)
        sync_folder(self._root)
        self._has_folders = True

    def _move(self, source: Path, target: Path) -> None:
        with translated():
            if source.exists():
                make_folder(target.parent)
                os.utime(source)  # quarantine is counted from now
                source.replace(target)
                sync_folder(target.parent)

    def _has_room(self) -> bool:
        make_folder(self._root)
        volume = os.statvfs(self._root)
        total = volume.f_blocks * volume.f_frsize
        reserve = max(total * _RESERVE_SHARE, min(_RESERVE, total * _RESERVE_CEILING))
        return volume.f_bavail * volume.f_frsize >= reserve

    def _require_root(self) -> None:
        if not self._root.is_dir():
            raise errors.StorageUnavailable


class PackFile:
    """A file that grows. Its folder is synced once, its data every SYNC_EVERY bytes and when asked.

    After a failed fdatasync the kernel may have dropped the pages and marked them clean: a second call
    would succeed and lie. So nothing after the last good one is ever called durable again.
    """

    closes_at_sync = False
    upload_id = ""

    def __init__(self, path: Path, *, ensure_room: Callable[[], None], aside: Executor) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._folder = path.parent
        self._ensure_room, self._aside = ensure_room, aside
        self._named = False
        self._poisoned = False
        self._asked = 0
        self._running: Future[None] | None = None
        self.length = 0
        self.durable_length = 0

    def append(self, data: memoryview) -> None:
        self._require_sound()
        with translated():
            while data:
                written = os.pwrite(self._fd, data, self.length)
                self.length += written
                data = data[written:]
        if self.length - self._asked >= SYNC_EVERY:
            self._ensure_room()
            if self._running is None or self._running.done():
                self.begin_sync()

    def cut(self, length: int) -> None:
        self._join()
        with translated():
            os.ftruncate(self._fd, length)
        self.length = self._asked = length
        self.durable_length = min(self.durable_length, length)

    def begin_sync(self) -> None:
        self._asked = self.length
        self._running = self._aside.submit(self._sync_after, self._running, self.length)

    def sync(self) -> None:
        self._join()
        self._require_sound()
        if self.durable_length < self.length:
            self._sync_to(self.length)
        self._require_sound()

    def close(self) -> None:
        self._join()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _sync_after(self, earlier: Future[None] | None, length: int) -> None:
        """One sync of a file at a time: what is durable only grows."""
        if earlier is not None:
            earlier.result()
        self._sync_to(length)

    def _sync_to(self, length: int) -> None:
        if self._poisoned:
            return
        try:
            os.fdatasync(self._fd)
            if not self._named:
                sync_folder(self._folder)
                self._named = True
        except OSError:
            self._poisoned = True
        else:
            self.durable_length = length

    def _join(self) -> None:
        if self._running is not None:
            self._running.result()
            self._running = None

    def _require_sound(self) -> None:
        if self._poisoned:
            raise errors.StorageUnavailable


@contextmanager
def translated() -> Iterator[None]:
    """Turn the system's errors into ours."""
    try:
        yield
    except OSError as error:
        raise (errors.StorageFull if error.errno in _FULL else errors.StorageUnavailable) from error


def make_folder(path: Path) -> None:
    """Make a folder that only we can enter, with those above it, all of them durable."""
    if path.is_dir():
        return
    make_folder(path.parent)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
