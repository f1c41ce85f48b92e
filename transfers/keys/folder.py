"""Keys as files in one folder: the provider behind EXCHANGE_KEYS=file:///dir.

A file is written aside, synced and linked to its name, so a name never holds half a key. Every use looks
at the file again: a key that one process destroyed stops working in all of them at once.
"""

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, Protocol

from transfers import errors
from transfers.formats import envelope

Destruction = Literal["verified", "best effort", "scheduled"]

_MAGIC: Final = "waystation key 1"
_SUFFIX: Final = ".key"
_ASIDE: Final = ".new-"
DESTRUCTIONS: Final = "destructions"
_TAIL: Final = 64 << 10


class Provider(Protocol):
    """What a keeper of keys can do; a key management service goes behind the same six calls."""

    def names(self, prefix: str) -> list[str]:
        """Name the keys that begin so, in order."""

    def read(self, name: str) -> bytes:
        """Return the key; LookupError if it is not there (any more), noticed within seconds."""

    def create_once(self, prefix: str, *, name: str) -> str:
        """Name the key with this prefix, making `name` if there is none, once among all processes."""

    def destroy(self, name: str) -> Destruction:
        """Destroy the key and say how surely; LookupError if it is not there."""

    def append_line(self, line: str, *, journal: str = DESTRUCTIONS) -> None:
        """Add a line to a journal, durably."""

    def lines(self, *, journal: str = DESTRUCTIONS) -> list[str]:
        """Return the lines of a journal, oldest first."""


class Folder:
    def __init__(self, path: Path, *, root: bytes | None) -> None:
        self._path = path
        self._seal = envelope.derive(root, info=b"waystation key files") if root else None
        self._seen: dict[str, tuple[tuple[int, int], bytes]] = {}

    def names(self, prefix: str) -> list[str]:
        with _reachable():
            return self._names(prefix)

    def read(self, name: str) -> bytes:
        with _reachable():
            try:
                found = self._file(name).stat()
            except FileNotFoundError:
                self._seen.pop(name, None)
                raise LookupError(name) from None
            identity = (found.st_ino, found.st_mtime_ns)
            seen = self._seen.get(name)
            if seen is None or seen[0] != identity:
                seen = self._seen[name] = (identity, self._load(name))
            return seen[1]

    def create_once(self, prefix: str, *, name: str) -> str:
        with _reachable(), self._locked():
            there = self._names(prefix)
            if there:
                return there[0]
            key = secrets.token_bytes(envelope.KEY_SIZE)
            self._write(name, key)
            if self._load(name) != key:
                raise errors.KeyUnavailable("A new key does not read back as it was written.")
            return name

    def destroy(self, name: str) -> Destruction:
        """Overwrite and remove the file. A disk may still keep old blocks: never more than best effort."""
        with _reachable(), self._locked():
            self._seen.pop(name, None)
            try:
                fd = os.open(self._file(name), os.O_WRONLY)
            except FileNotFoundError:
                raise LookupError(name) from None
            with os.fdopen(fd, "wb", buffering=0) as file:
                file.write(secrets.token_bytes(os.fstat(fd).st_size))
                os.fsync(fd)
            self._file(name).unlink()
            _sync_folder(self._path)
            if self._file(name).exists():
                raise errors.KeyUnavailable("A key file is still there after it was removed.")
        return "best effort"

    def append_line(self, line: str, *, journal: str = DESTRUCTIONS) -> None:
        with _reachable(), self._locked():
            fd = os.open(self._journal(journal), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "r+b", buffering=0) as file:
                start = max(0, file.seek(0, os.SEEK_END) - _TAIL)
                file.seek(start)
                file.seek(start + _whole_lines(file.read()))
                file.truncate()  # what a crash left of a line was never acknowledged
                file.write(line.encode() + b"\n")
                os.fsync(fd)
            _sync_folder(self._path)

    def lines(self, *, journal: str = DESTRUCTIONS) -> list[str]:
        with _reachable():
            try:
                written = self._journal(journal).read_bytes()
            except FileNotFoundError:
                return []
        return written[: _whole_lines(written)].decode().splitlines()

    def _journal(self, name: str) -> Path:
        return self._path / f"{name}.jsonl"

    def _file(self, name: str) -> Path:
        return self._path / (name + _SUFFIX)

    def _names(self, prefix: str) -> list[str]:
        return sorted(file.name.removesuffix(_SUFFIX) for file in self._path.glob(f"{prefix}*{_SUFFIX}"))

    def _load(self, name: str) -> bytes:
        self._require_private()
        magic, _, rest = self._file(name).read_text("ascii").rstrip("\n").partition("\n")
        kind, _, value = rest.partition(" ")
        try:
            key = bytes.fromhex(value)
            if kind == "sealed" and self._seal:
                key = envelope.open_record(self._seal, key, _place(name))
        except (ValueError, errors.Integrity):
            kind = ""
        if magic != _MAGIC or len(key) != envelope.KEY_SIZE or kind not in {"plain", "sealed"}:
            raise errors.KeyUnavailable("A key file cannot be read: is EXCHANGE_ROOT_KEY the right one?")
        return key

    def _write(self, name: str, key: bytes) -> None:
        for torn in self._path.glob(f"{_ASIDE}*"):
            torn.unlink()  # a crash left it, and nothing was ever sealed with it
        value = f"sealed {envelope.seal_record(self._seal, key, _place(name)).hex()}" if self._seal else ""
        aside = self._path / f"{_ASIDE}{secrets.token_hex(8)}"
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="ascii") as file:
            file.write(f"{_MAGIC}\n{value or f'plain {key.hex()}'}\n")
            file.flush()
            os.fsync(fd)
        os.link(aside, self._file(name))  # fails where the name is taken, unlike a rename
        aside.unlink()
        _sync_folder(self._path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if not self._path.is_dir():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                self._path.mkdir(mode=0o700)
            _sync_folder(self._path.parent)
        self._require_private()
        fd = os.open(self._path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _require_private(self) -> None:
        if stat.S_IMODE(self._path.stat().st_mode) & 0o077:
            raise errors.KeyUnavailable("The key folder is open to others: chmod 700 the folder of EXCHANGE_KEYS.")


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise errors.KeyUnavailable(f"The key folder cannot be used: {error.strerror}.") from error


def _place(name: str) -> bytes:
    return envelope.fields(b"key", name.encode())


def _whole_lines(written: bytes) -> int:
    return written.rfind(b"\n") + 1


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
