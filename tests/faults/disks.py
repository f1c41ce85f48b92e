"""File systems of our own to fill, to copy while they are written to, and to throw away (Linux, root)."""

import contextlib
import ctypes
import errno
import functools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_CLONE_NEWNS: Final = 0x20000
# What makes every sync of a program, and of those it starts, a lie: what a disk that lies would do to us.
PYTHON_WITHOUT_SYNC: Final = """
import os
os.fsync = os.fdatasync = lambda fd: None
"""


@functools.cache
def keep_mounts_to_ourselves() -> None:
    """Have a mount namespace: what is mounted here nobody else sees, and it goes with this process."""
    assert os.geteuid() == 0, "only root can mount; `make test` runs what needs no root"
    assert not ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS), os.strerror(ctypes.get_errno())
    _run("mount", "--make-rprivate", "/")


@contextlib.contextmanager
def tmpfs(folder: Path, *, megabytes: int) -> Iterator[Path]:
    """A small file system in memory."""
    keep_mounts_to_ourselves()
    folder.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        _run("umount", "--lazy", str(folder))


def make_image(image: Path, *, megabytes: int) -> None:
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0", str(image))


@contextlib.contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    """An ext4 image over a loop device. Its journal is replayed first, as after every power cut.

    `commit` far away: what is not synced is not on the disk by chance.
    """
    keep_mounts_to_ourselves()
    folder.mkdir(exist_ok=True)
    _run("mount", "-o", "loop,commit=600,noauto_da_alloc", str(image), str(folder))
    try:
        yield folder
    finally:
        _run("umount", str(folder))


def sync(folder: Path) -> None:
    """Bring all of the file system that holds a folder to its disk."""
    _run("sync", "--file-system", str(folder))


def cut_power(image: Path, copy: Path) -> None:
    """Copy the image while it is in use: what the disk would hold if the power went now."""
    _run("cp", "--sparse=always", str(image), str(copy))


def without_sync(folder: Path) -> dict[str, str]:
    """Settings under which Python programs sync nothing."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(PYTHON_WITHOUT_SYNC)
    return {"PYTHONPATH": str(folder)}


def fill(file: Path) -> None:
    """Take all the room there is."""
    piece = bytes(1 << 20)
    with file.open("ab", buffering=0) as ballast:
        while piece:
            try:
                ballast.write(piece)
            except OSError as error:
                assert error.errno == errno.ENOSPC
                piece = piece[: len(piece) // 2]


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, f"{' '.join(command)}: {done.stderr}"
