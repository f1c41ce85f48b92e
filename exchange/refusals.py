"""What a start refuses, each in one clear sentence: better no node than two, or one that loses data."""

import errno
import fcntl
import os
import shutil
import socket
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import IO

LEAVE_FREE = 200 * 2**20  # PostgreSQL panics on a full disk; stop well before it
LAST_CHILDREN = 15.0  # how long the processes of a killed start may take to die


class StartError(Exception):
    """The start is refused; the message is the sentence for the person at the terminal."""


def lock(data_dir: Path) -> IO[str]:
    """Take the data folder for this process; the lock goes with the file, so with the process."""
    file = (data_dir / "lock").open("a+")
    end = time.monotonic() + LAST_CHILDREN
    while not _locked(file):
        file.seek(0)
        holder = file.read().strip()
        # A killed supervisor's keeper holds the lock until the last child is gone: that is worth a wait.
        if _is_alive(holder) or time.monotonic() > end:
            raise StartError(f"The data in {data_dir} are in use by another start (process {holder or 'unknown'}).")
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
    free = shutil.disk_usage(data_dir).free
    if free < leave_free:
        raise StartError(
            f"The disk under {data_dir} has only {free >> 20} MB free and {leave_free >> 20} MB are needed:"
            " make room, or set EXCHANGE_DATA_DIR."
        )


def check_keys(data_dir: Path, *, address: str, fingerprint: Callable[[], str]) -> None:
    """Refuse data whose keys are gone or strange: new keys beside old data would hide the loss.

    The fingerprint of the first start lies beside the data. Keys are made by asking for it, so a missing key
    folder is noticed before.
    """
    known = data_dir / "keys.fingerprint"
    if not known.is_file():
        known.write_text(fingerprint())
        return
    folder = urllib.parse.urlsplit(address)
    if folder.scheme == "file" and not _holds_something(Path(urllib.parse.unquote(folder.path))):
        raise StartError(
            f"The keys that sealed the data in {data_dir} are not in {urllib.parse.unquote(folder.path)}:"
            " restore that folder or set EXCHANGE_KEYS to where they are."
        )
    if fingerprint() != known.read_text():
        raise StartError(f"The keys at EXCHANGE_KEYS are not those the data in {data_dir} were sealed with.")


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


def _holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
