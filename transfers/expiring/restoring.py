"""Restore a backup, and destroy again what was destroyed since.

The journal beside the keys knows what was withdrawn or purged after the backup was taken. Maintenance goes on
before the first row comes back and stays on: an operator reads what is lost, then opens the doors.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.core.management import call_command
from django.db import connection, transaction

from accounts import audit
from accounts.principals import system
from transfers import errors, keys, vault
from transfers.expiring import braking, checking, destroying, journaling, programs, purging, saving
from transfers.expiring.checking import Fault
from transfers.expiring.saving import Manifest, SavedPack
from transfers.models import Transfer

_WHO = system("restore")
# Whoever has rows in one of these has data to lose.
_TELLING = ("accounts_organization", "accounts_user", "transfers_transfer")


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did, and what it could not bring back."""

    manifest: Manifest
    packs: int
    destroyed_again: int
    losses: tuple[Fault, ...]


def restore(source: Path) -> Restored:
    """Restore into an empty database; refuses before it changes anything, or else runs to its end."""
    manifest = saving.read_manifest(source)
    _ensure_whole(source, manifest)
    if not keys.check_keys(manifest.keys):
        raise errors.KeyUnavailable(
            "These are not the keys of this backup. Put its key folder at EXCHANGE_KEYS, in place of what is there now,"
            " and start again."
        )
    if programs.server_version() < manifest.server:
        raise errors.Conflict(f"This backup needs PostgreSQL {manifest.server} or newer.")
    _ensure_empty()
    vault.probe()  # a new storage is made here, one that does not answer is no place for a backup
    _restore_database(source / saving.DATABASE)
    braking.start_late()
    packs = sum(_restore_pack(source, pack) for pack in manifest.packs)
    destroyed = _destroy_again()
    losses = (*_not_saved(manifest), *checking.check())
    detail = {"taken_at": manifest.taken_at.isoformat(), "destroyed_again": destroyed, "losses": len(losses)}
    audit.record(_WHO, "backup.restore", organization_id=None, detail=detail)
    return Restored(manifest, packs, destroyed, losses)


def _ensure_whole(source: Path, manifest: Manifest) -> None:
    files = {source / saving.PACKS / pack.name: pack for pack in manifest.packs if pack.sha256}
    for file, pack in files.items():
        if not file.is_file() or file.stat().st_size != pack.size or saving.digest_of(file) != pack.sha256:
            raise errors.BadRequest(f"{file} is missing or was changed since the backup was taken.")
    if saving.digest_of(source / saving.DATABASE) != manifest.database_sha256:
        raise errors.BadRequest(f"{source / saving.DATABASE} was changed since the backup was taken.")


def _ensure_empty() -> None:
    there = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        for table in there.intersection(_TELLING):
            cursor.execute(f'SELECT EXISTS (SELECT FROM "{table}")')  # noqa: S608 - one of the names above
            if cursor.fetchone() == (True,):
                raise errors.Conflict("The database is not empty. A backup is restored into a new one.")


def _restore_database(dump: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE")
        cursor.execute("CREATE SCHEMA public")
    for section in ("pre-data", "data", "post-data"):
        options = ["--no-owner", "--no-privileges", "--exit-on-error", f"--section={section}"]
        programs.run("pg_restore", [*options, f"--dbname={connection.settings_dict['NAME']}", str(dump)])
        if section == "pre-data":
            # The switches are not in the dump: from here on no door opens onto what comes back.
            _close_doors()
    connection.close()
    call_command("migrate", interactive=False, verbosity=0)


def _close_doors() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO transfers_switch (name, is_on, note, since) VALUES (%s, true, %s, now())",
            [braking.MAINTENANCE, "A backup was restored."],
        )


def _restore_pack(source: Path, pack: SavedPack) -> bool:
    """Bring one object back, unless the storage outlived the database and still has it."""
    if not pack.sha256 or (vault.exists(pack.name) and vault.size(pack.name) >= pack.size):
        return False
    vault.bring_back(pack.name, _read(source / saving.PACKS / pack.name))
    return True


def _read(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(4 << 20):
            yield chunk


def _destroy_again() -> int:
    count = 0
    for gone in journaling.destroyed():
        with transaction.atomic():
            transfer = Transfer.objects.filter(pk=gone.transfer_id, wrapped_key__isnull=False).first()
            if transfer is not None:
                destroying.close_by_force(transfer, who=_WHO)
                destroying.destroy(gone.transfer_id, who=_WHO, reason=gone.reason, at=gone.at)
                count += 1
        purging.delete_objects(gone.transfer_id)
    return count


def _not_saved(manifest: Manifest) -> Iterator[Fault]:
    for name in manifest.missing:
        yield Fault("missing object", "", f"The object {name} was missing already when the backup was taken.")
