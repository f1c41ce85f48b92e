"""CPU and memory of a server's process tree, from the kernel's own counters."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Measured:
    """Of one run: wall and CPU seconds of the server, growth of its largest process in MiB."""

    wall: float = 0.0
    cpu: float = 0.0
    growth: float = 0.0
    started: float = field(default_factory=perf_counter)


@contextmanager
def measured(root: int, *, memory_of: str = "") -> Iterator[Measured]:
    """Measure the tree below a process; memory only of processes whose command line holds `memory_of`."""
    pids = tree(root)
    watched = [pid for pid in pids if memory_of in _command(pid)]
    for pid in watched:
        with suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # resets the peak of resident memory
    before = {pid: _status(pid, "VmRSS") for pid in watched}
    cpu, result = sum(map(_cpu, pids)), Measured()
    yield result
    result.wall = perf_counter() - result.started
    result.cpu = sum(map(_cpu, tree(root))) - cpu
    result.growth = max((_status(pid, "VmHWM") - before[pid] for pid in watched), default=0) / 1024


def tree(root: int) -> list[int]:
    """A process and everything below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += children.get(pid, [])
    return found


def _cpu(pid: int) -> float:
    """Seconds used so far, those of children that ended and were waited for included."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICK


def _status(pid: int, name: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    return 0


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
