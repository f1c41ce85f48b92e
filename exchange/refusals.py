"""What a start refuses, each in one clear sentence: better no node than two, or one that loses data."""

import errno
import fcntl
import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

LEAVE_FREE = 200 * 2**20  # PostgreSQL panics on a full disk; stop well before it
LAST_CHILDREN = 15.0  # how long the processes of a killed start may take to die


class StartError(Exception):
    """The start is refused; the message is the sentence for the person at the terminal."""


def lock(data_dir: Path, *, report: Callable[[str], None] = lambda sentence: None) -> IO[str]:
    """Take the data folder for this process; the lock goes with the file, so with the process."""
    file = (data_dir / "lock").open("a+")
    end = time.monotonic() + LAST_CHILDREN
    told = False
    while not _locked(file):
        file.seek(0)
        holder = file.read().strip()
        # A killed supervisor's keeper holds the lock until the last child is gone: that is worth a wait.
        if _is_alive(holder) or time.monotonic() > end:
            raise StartError(
                f"The data in {data_dir} are in use by another start (process {holder or 'unknown'}): stop that one"
                " with Ctrl-C, or give this one a folder and a port of its own with EXCHANGE_DATA_DIR and"
                " EXCHANGE_PORT."
            )
        if not told:
            report("The last start was killed. Waiting until the last of its processes has ended...")
            told = True
        time.sleep(0.1)
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()
    return file


def check_port(host: str, port: int) -> None:
    """Bind once before the web server does: it would share a taken port without a word."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            reason = "is in use by another program" if error.errno == errno.EADDRINUSE else "cannot be opened"
            raise StartError(f"Port {port} on {host} {reason}: set EXCHANGE_PORT to a free one.") from error


def check_room(data_dir: Path, *, leave_free: int = LEAVE_FREE) -> None:
    there = next(folder for folder in (data_dir, *data_dir.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < leave_free:
        raise StartError(
            f"The disk under {data_dir} has only {free >> 20} MB free and {leave_free >> 20} MB are needed:"
            " make room, or set EXCHANGE_DATA_DIR."
        )


def check_keys(data_dir: Path, *, fingerprint: Callable[[], str], are_ours: Callable[[str], bool]) -> None:
    """Refuse data whose keys are gone or strange: new keys beside old data would hide the loss.

    `fingerprint` makes keys where there are none, so it is asked at the first start only; its answer lies
    beside the data. `are_ours` makes none.
    """
    known = data_dir / "keys.fingerprint"
    if not known.is_file():
        write_private(known, fingerprint())
    elif not are_ours(known.read_text()):
        raise StartError(
            f"The keys that sealed the data in {data_dir} are not at EXCHANGE_KEYS:"
            " restore the key folder, or set EXCHANGE_KEYS to where it is."
        )


def make_private(folder: Path) -> Path:
    """Make a folder that only we may enter; one that exists keeps the mode its owner chose."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    return folder


def write_private(path: Path, text: str) -> None:
    """Write a file that only we may read, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
