"""Outlive a killed supervisor just long enough to end its children. Run as a script, with nothing imported.

Standard input tells process groups: `+ GROUP SIGNAL` and `- GROUP`. When it ends, so has the supervisor: each group
that is left gets its signal, and what still lives after GRACE seconds is killed. PR_SET_PDEATHSIG alone reaches
only children, not theirs, and is forgotten by programs that change their credentials.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE = 5.0


def main() -> None:
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    groups = follow(sys.stdin)
    for group, number in groups.items():
        send(group, number)
    end = time.monotonic() + GRACE
    while time.monotonic() < end and any(is_alive(group) for group in groups):
        time.sleep(0.05)
    for group in groups:
        send(group, signal.SIGKILL)


def follow(lines: Iterable[str]) -> dict[int, int]:
    """Read until the supervisor is gone; return the groups it left and the signal each wants."""
    groups: dict[int, int] = {}
    for line in lines:
        sign, *numbers = line.split()
        if sign == "+":
            groups[int(numbers[0])] = int(numbers[1])
        else:
            groups.pop(int(numbers[0]), None)
    return groups


def send(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return not is_zombie(group)


def is_zombie(pid: int) -> bool:
    """Whether a process has ended and only waits to be counted, which a container's first process may never do."""
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - pathlib would triple the start-up time
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


if __name__ == "__main__":
    main()
