"""What every kind of object storage offers, and how an object is named."""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from transfers.formats.envelope import Readable

NAME: Final = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{30}")
ReadAt = Callable[[int, int], Readable]


@dataclass(frozen=True)
class StoredObject:
    name: str
    size: int
    modified: datetime


class Appendable(Protocol):
    """An object being written, at its end only. What a failed sync leaves behind is never built upon."""

    closes_at_sync: bool
    upload_id: str
    durable_length: int

    @property
    def length(self) -> int: ...

    def append(self, data: memoryview) -> None:
        """Take the bytes, which may change once this returns."""

    def cut(self, length: int) -> None:
        """Drop what lies beyond this length; `length` tells how far that was possible."""

    def begin_sync(self) -> None:
        """Start what `sync` will wait for; where it cannot go on aside, all of it is done now."""

    def sync(self) -> None:
        """Return when everything appended survives a power cut."""

    def close(self) -> None: ...


class Store(Protocol):
    run: int
    """How many segments one read should fetch."""

    def create(self, name: str) -> Appendable: ...

    def reader(self, name: str) -> AbstractContextManager[ReadAt]:
        """Open an object whose version this node knows."""

    def size(self, name: str) -> int | None:
        """Return the size of an object, None if it is not there."""

    def delete(self, name: str, *, quarantined: bool) -> None: ...

    def objects(self, *, quarantined: bool) -> Iterator[StoredObject]: ...

    def quarantine(self, name: str) -> None: ...

    def release(self, name: str) -> None: ...

    def cut_off(self, name: str, length: int) -> None:
        """Drop what lies beyond this length; nothing happens to an object that is not longer or not there."""

    def abort(self, name: str, upload_id: str) -> None: ...

    def ensure_room(self) -> None: ...

    def probe(self) -> None: ...


def new_name() -> str:
    """Return a random name in its fan-out folder."""
    name = secrets.token_hex(16)
    return f"{name[:2]}/{name}"


def require_name(name: str) -> str:
    """Pass a name on if new_name could have made it: no path ever leaves the storage."""
    if NAME.fullmatch(name) is None:
        raise ValueError("this is not the name of a stored object")
    return name
