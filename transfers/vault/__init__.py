"""Object storage: packs are written at their end, and read in authenticated ranges.

A pack is a version byte and complete sealed streams (docs/envelope.md Section 1). STORAGE_URL says where:
`file:///dir`, or `s3://bucket/prefix?endpoint=…&region=…` with credentials from AWS_* in the environment.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Final
from urllib.parse import unquote, urlsplit

from django.conf import settings

from transfers import errors
from transfers.formats import envelope
from transfers.vault.disk import Disk
from transfers.vault.stores import Appendable, Store, StoredObject, new_name

__all__ = ["StoredObject", "new_name"]

_COPY: Final = 4 << 20
INSTANCE: Final = b"instance"
DOCUMENT: Final = b"document"

AadPrefix = tuple[bytes, bytes, bytes]
"""Organisation, transfer and pack, as they go into the associated data of every stream."""


@dataclass(frozen=True)
class Stretch:
    """Where one stream lies in its pack."""

    ordinal: int
    offset: int
    sealed_length: int


class PackWriter:
    """One pack being written: begin, write and end for each stream, then sync before anything is promised.

    After a failed sync everything raises StorageUnavailable; `durable_length` tells what is good.
    """

    def __init__(self, name: str, target: Appendable, *, key: bytes, aad_prefix: AadPrefix) -> None:
        self.name = name
        self.closed_by_sync = False
        self._target, self._key, self._aad_prefix = target, key, aad_prefix
        self._ordinal = 0
        self._start = 0
        self._sealer: envelope.Sealer | None = None
        try:
            target.append(memoryview(bytes([envelope.VERSION])))
        except errors.ExchangeError:
            target.close()
            raise

    @property
    def length(self) -> int:
        return self._target.length

    @property
    def durable_length(self) -> int:
        return self._target.durable_length

    @property
    def upload_id(self) -> str:
        """The multipart upload that `abort` ends, empty while there is none."""
        return self._target.upload_id

    def begin(self, *, kind: bytes = INSTANCE) -> None:
        if self.closed_by_sync or self._sealer is not None:
            raise ValueError("this pack takes no stream now")
        store().ensure_room()
        self._start = self._target.length
        aad = envelope.associated_data(*self._aad_prefix, self._ordinal, kind)
        self._sealer = envelope.Sealer(self._key, aad, self._target.append)

    def write(self, chunk: envelope.Readable) -> None:
        self._running().write(chunk)

    def end(self) -> Stretch:
        length = self._running().finish()
        stretch = Stretch(ordinal=self._ordinal, offset=self._start, sealed_length=length)
        self._leave()
        return stretch

    def abandon(self) -> None:
        """Give up the running stream, if there is one; its ordinal is not used again."""
        if self._sealer is not None:
            self._leave()
            self._target.cut(self._start)

    def begin_sync(self) -> None:
        """Start to make durable every stream that ended; `sync` waits for it, and tells whether it went well."""
        self._ensure_quiet()
        if not self.closed_by_sync:
            self.closed_by_sync = self._target.closes_at_sync
            self._target.begin_sync()

    def sync(self) -> None:
        """Return when every stream that ended survives a power cut."""
        self._ensure_quiet()
        self.closed_by_sync = self._target.closes_at_sync
        self._target.sync()

    def close(self) -> None:
        self._sealer = None
        self._target.close()

    def __enter__(self) -> "PackWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ensure_quiet(self) -> None:
        if self._sealer is not None:
            raise ValueError("a stream is still running")

    def _running(self) -> envelope.Sealer:
        if self._sealer is None:
            raise ValueError("no stream is running")
        return self._sealer

    def _leave(self) -> None:
        self._sealer = None
        self._ordinal += 1


def open_pack(name: str, *, key: bytes, aad_prefix: AadPrefix) -> PackWriter:
    """Create the object `name` (from new_name, committed in its row beforehand) and write into it."""
    return PackWriter(name, store().create(name), key=key, aad_prefix=aad_prefix)


def read(
    name: str,
    *,
    key: bytes,
    aad_prefix: AadPrefix,
    stretch: Stretch,
    start: int = 0,
    stop: int | None = None,
    kind: bytes = INSTANCE,
) -> Iterator[bytes]:
    """Yield the plain bytes of a stretch from `start` to `stop`, each one authenticated before it leaves.

    Raises Integrity if they are not what was sealed or the object is missing, else StorageUnavailable.
    """
    aad = envelope.associated_data(*aad_prefix, stretch.ordinal, kind)
    source = store()
    with source.reader(name) as read_at:
        yield from envelope.open_stream(
            lambda offset, length: read_at(stretch.offset + offset, length),
            key=key,
            aad=aad,
            sealed_length=stretch.sealed_length,
            start=start,
            stop=stop,
            run=source.run,
        )


def sealed(name: str) -> Iterator[bytes]:
    """Yield an object as it is stored, for a backup: sealed, and of use only with its key."""
    end = size(name)
    with store().reader(name) as read_at:
        for offset in range(0, end, _COPY):
            yield bytes(read_at(offset, min(_COPY, end - offset)))


def bring_back(name: str, chunks: Iterator[bytes]) -> None:
    """Store an object as a backup holds it; what is there under its name gives way."""
    store().delete(name, quarantined=False)
    target = store().create(name)
    try:
        for chunk in chunks:
            target.append(memoryview(chunk))
        target.sync()
    finally:
        target.close()


def exists(name: str) -> bool:
    return store().size(name) is not None


def size(name: str) -> int:
    """Return the length of an object; Integrity if it is missing."""
    found = store().size(name)
    if found is None:
        raise errors.Integrity("A stored object is missing.")
    return found


def delete(name: str, *, quarantined: bool = False) -> None:
    """Delete an object; one that is not there is already deleted."""
    store().delete(name, quarantined=quarantined)


def list_objects(*, quarantined: bool = False) -> Iterator[StoredObject]:
    """Yield what is stored; in quarantine, `modified` is when it came there."""
    return store().objects(quarantined=quarantined)


def quarantine(name: str) -> None:
    """Set an object aside where no read finds it; nothing happens if it is not there."""
    store().quarantine(name)


def release(name: str) -> None:
    """Bring an object back from quarantine."""
    store().release(name)


def cut_off(name: str, length: int) -> None:
    """Drop what a cut push left beyond the last byte that was committed."""
    store().cut_off(name, length)


def abort(name: str, upload_id: str = "") -> None:
    """End unfinished uploads of an object: the one with this id, or all of them."""
    store().abort(name, upload_id)


def ensure_room() -> None:
    """Raise StorageFull while less is free than the volume needs to stay healthy."""
    store().ensure_room()


def probe() -> None:
    """Write, read and delete a small object; raises StorageUnavailable or StorageFull."""
    store().probe()


def store() -> Store:
    """Return the storage that the settings name."""
    return _store(settings.STORAGE_URL, os.getpid())


@lru_cache(maxsize=8)
def _store(url: str, process: int) -> Store:
    # One a process: connections do not survive a fork.
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return Disk(Path(unquote(parts.path)))
    if parts.scheme == "s3":
        from transfers.vault.bucket import Bucket  # boto3 takes a while to load, and a disk needs none of it

        return Bucket(url)
    raise errors.StorageUnavailable("STORAGE_URL must be file:///a/folder or s3://bucket?endpoint=….")
