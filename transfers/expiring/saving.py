"""Back up: the database first, then the packs, never the keys.

In that order every row of the snapshot finds its object: objects are written before their rows, and while purging
is on hold none is deleted but those of a transfer that was withdrawn, which a restore destroys again. The keys
belong into another backup in another place; with both, whoever holds them reads everything.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from accounts import audit
from accounts.principals import system
from transfers import errors, keys, vault
from transfers.expiring import braking, clock, programs
from transfers.models import Pack
from transfers.vault import disk

VERSION: Final = 1
DATABASE: Final = "database.dump"
MANIFEST: Final = "manifest.json"
PACKS: Final = "packs"

# Switches are of the moment; sessions are logins that may have been ended since.
_LEFT_OUT: Final = ("transfers_switch", "django_session")
_REFRESH_EVERY = 100


@dataclass(frozen=True, slots=True)
class SavedPack:
    """One object of the backup; without digest it was only listed."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    version: int
    taken_at: datetime
    server: int
    keys: str
    database_sha256: str
    packs: tuple[SavedPack, ...]
    missing: tuple[str, ...]


def save(target: Path) -> Manifest:
    """Write a backup into a folder that does not exist yet or is empty."""
    _make_empty(target)
    with _purging_on_hold():
        taken_at = clock.now()
        _dump(target / DATABASE)
        packs, missing = _save_packs(target / PACKS)
    manifest = Manifest(
        version=VERSION,
        taken_at=taken_at,
        server=programs.server_version(),
        keys=keys.fingerprint(),
        database_sha256=digest_of(target / DATABASE),
        packs=packs,
        missing=missing,
    )
    _write(target / MANIFEST, [json.dumps(asdict(manifest), default=str, indent=1).encode()])
    audit.record(system("operator"), "backup.save", organization_id=None, detail={"packs": len(packs)})
    return manifest


def read_manifest(source: Path) -> Manifest:
    """Read a backup's manifest; BadRequest where there is none that we can read."""
    try:
        values = json.loads((source / MANIFEST).read_text())
        if values["version"] != VERSION:
            raise errors.BadRequest(f"This backup has version {values['version']}; {VERSION} is known here.")
        packs = tuple(SavedPack(**pack) for pack in values.pop("packs"))
        taken_at = datetime.fromisoformat(values.pop("taken_at"))
        return Manifest(**{**values, "packs": packs, "taken_at": taken_at, "missing": tuple(values["missing"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise errors.BadRequest(f"There is no complete backup in {source}.") from error


def digest_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _make_empty(target: Path) -> None:
    if target.exists() and any(target.iterdir()):
        raise errors.Conflict(f"{target} is not empty. Name a new folder for each backup.")
    disk.make_folder(target.absolute())


@contextmanager
def _purging_on_hold() -> Iterator[None]:
    braking.hold("backup")
    try:
        yield
    finally:
        braking.let_go()


def _dump(file: Path) -> None:
    left_out = [f"--exclude-table-data={table}" for table in _LEFT_OUT]
    _write(file, [])
    programs.run("pg_dump", ["--format=custom", "--no-owner", "--no-privileges", *left_out, f"--file={file}"])
    with file.open("rb") as written:
        os.fsync(written.fileno())


def _save_packs(folder: Path) -> tuple[tuple[SavedPack, ...], tuple[str, ...]]:
    saved, missing = [], []
    is_listed = urlsplit(settings.STORAGE_URL).scheme != "file"
    names = Pack.objects.filter(deleted_at=None).order_by("id").values_list("name", flat=True)
    for number, name in enumerate(list(names)):
        if number % _REFRESH_EVERY == 0:
            braking.hold("backup")
        try:
            saved.append(_list(name) if is_listed else _copy(name, folder / name))
        except errors.Integrity:
            # Withdrawn meanwhile, or a push that has not begun, or a loss.
            if Pack.objects.filter(name=name, is_open=False, transfer__wrapped_key__isnull=False).exists():
                missing.append(name)
    return tuple(saved), tuple(missing)


def _list(name: str) -> SavedPack:
    return SavedPack(name, vault.size(name), "")


def _copy(name: str, file: Path) -> SavedPack:
    digest, size = hashlib.sha256(), 0

    def counted() -> Iterator[bytes]:
        nonlocal size
        for chunk in vault.sealed(name):
            digest.update(chunk)
            size += len(chunk)
            yield chunk

    disk.make_folder(file.parent)
    _write(file, counted())
    return SavedPack(name, size, digest.hexdigest())


def _write(file: Path, chunks: "Iterator[bytes] | list[bytes]") -> None:
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as written:
        for chunk in chunks:
            written.write(chunk)
        written.flush()
        os.fsync(written.fileno())
    disk.sync_folder(file.parent)
