"""Whom to run PostgreSQL as: it refuses to be root.

No system user is made and no folder above our own changes its mode.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exchange.refusals import StartError

NOBODY = 65534


@dataclass(frozen=True, kw_only=True)
class Account:
    """A command prefix, and the uid that owns the files (None: ourselves, as the file system sees it)."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None


def candidates(*, euid: int) -> Iterator[Account]:
    """The accounts to try, best first.

    As root: root's own files seen through a user namespace in which we are not root; where namespaces are
    closed (most containers), the existing account `nobody`.
    """
    if euid:
        yield Account()
        return
    if shutil.which("unshare"):
        yield Account(prefix=("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"))
    if shutil.which("setpriv"):
        uid = pwd.getpwnam("nobody").pw_uid
        yield Account(prefix=("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"), uid=uid)


def find(folder: Path, *, program: Path) -> Account:
    """The first account that can run the program and write into the folder, which is given to it."""
    for account in candidates(euid=os.geteuid()):
        if account.uid is not None:
            _let_through(folder.parent)
        give(folder, account)
        if _runs(account, "test", "-w", str(folder)) and _runs(account, str(program), "--version"):
            return account
    raise StartError(
        "PostgreSQL does not run as root and no unprivileged account can reach both"
        f" {folder.parent} and {program}: start as a plain user, or set DATABASE_URL."
    )


def owner_of(folder: Path) -> Account:
    """The account that once got the folder: its owner tells."""
    owner = folder.stat().st_uid
    for account in candidates(euid=os.geteuid()):
        if owner == (os.geteuid() if account.uid is None else account.uid):
            return account
    raise StartError(f"The database in {folder} belongs to another user (uid {owner}): start as that user.")


def give(path: Path, account: Account) -> None:
    """Hand a file or folder of ours to the account."""
    if account.uid is not None and path.stat().st_uid != account.uid:
        os.chown(path, account.uid, account.uid)


def _let_through(data_dir: Path) -> None:
    """Let another account pass through our own data folder without listing it."""
    if data_dir.stat().st_uid == os.geteuid():
        data_dir.chmod(data_dir.stat().st_mode | 0o011)


def _runs(account: Account, *command: str) -> bool:
    done = subprocess.run([*account.prefix, *command], cwd="/", capture_output=True, check=False)  # noqa: S603
    return not done.returncode
