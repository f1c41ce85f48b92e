"""One process tree: start children in order, restart those that die, stop them in reverse.

A child leads a process group of its own, so that Ctrl-C in the terminal reaches the supervisor alone and whole
groups can be ended. What a killed supervisor leaves behind its keeper ends (exchange/keeper.py).
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from exchange import keeper
from exchange.refusals import StartError

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0  # seconds before a crashed child is started again, doubling
STEADY = 60.0  # a child that ran so long starts again at the first pause
START_SECONDS, START_DEATHS = 60.0, 5  # a program not ready after so long or so many deaths fails the start
TICK = 0.1
LARGEST_LOG = 20 * 2**20
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run and how to end it."""

    name: str
    command: Sequence[str]
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    orphan_signal: signal.Signals = signal.SIGKILL  # from the keeper, when nobody waits any more
    is_ready: Callable[[], bool] | None = None  # whether the programs after it may start


@dataclass
class Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    pause: float = FIRST_PAUSE
    started: float = 0.0
    due: float = 0.0
    deaths: int = 0


@dataclass
class Supervisor:
    """The tree over one data folder; used by one thread, the main one."""

    log_dir: Path
    lock: IO[str]
    report: Callable[[str], None]
    folder: Path  # where the children start
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    children: list[Child] = field(default_factory=list)
    wanted_stops: int = 0
    watchman: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Supervisor":
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask_to_stop)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup stays in force
            signal.signal(signal.SIGHUP, self._ask_to_stop)
        self.log_dir.mkdir(mode=0o700, exist_ok=True)
        self._hire()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, program: Program) -> None:
        """Start a program and wait until it is ready; from then on it is restarted whenever it ends."""
        child = Child(program)
        self.children.append(child)
        self._spawn(child)
        end = time.monotonic() + START_SECONDS
        while program.is_ready and not program.is_ready():
            if self.wanted_stops:
                raise StartError("The start was interrupted.")
            if time.monotonic() > end or child.deaths >= START_DEATHS:
                raise StartError(f"{program.name} does not start: {self.log_dir / program.name}.log tells why.")
            self.tend()
            time.sleep(TICK)

    def run(self, program: Program, *, shown: bool = False) -> int:
        """Run a program once to its end beside the others; return its exit code, 128 + n after a signal."""
        child = Child(program)
        self._spawn(child, shown=shown)
        assert child.process
        while child.process.poll() is None and not self.wanted_stops:
            self.tend()
            time.sleep(TICK)
        self._end(child)
        code = child.process.returncode
        return code if code >= 0 else 128 - code

    def serve(self) -> None:
        """Tend the tree until somebody wants it stopped."""
        while not self.wanted_stops:
            self.tend()
            time.sleep(TICK)

    def tend(self) -> None:
        """Start again what has ended and whose pause is over."""
        now = time.monotonic()
        for child in self.children:
            if child.process and child.process.poll() is not None:
                self._bury(child, now)
            if child.process is None and now >= child.due:
                self._spawn(child)
        if self.watchman and self.watchman.poll() is not None:
            self._hire()

    def stop(self) -> None:
        """End every child, the last started first, each within its time; a second Ctrl-C shortens that."""
        for child in reversed(self.children):
            self._end(child)
        self.children.clear()
        if self.watchman and self.watchman.stdin:
            self.watchman.stdin.close()
            self.watchman.wait()
            self.watchman = None

    def _ask_to_stop(self, *_: object) -> None:
        self.wanted_stops += 1

    def _spawn(self, child: Child, *, shown: bool = False) -> None:
        log = self.log_dir / f"{child.program.name}.log"
        _make_room(log)
        with log.open("ab") as file:
            child.process = subprocess.Popen(  # noqa: S603
                child.program.command,
                cwd=self.folder,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=None if shown else file,
                stderr=None if shown else file,
                start_new_session=True,
                preexec_fn=_die_with_parent(child.program.orphan_signal),
            )
        child.started = time.monotonic()
        self._tell(f"+ {child.process.pid} {int(child.program.orphan_signal)}")

    def _bury(self, child: Child, now: float) -> None:
        """Take note of an ended child, end what it left behind, and set the time of its next start."""
        assert child.process
        if now - child.started > STEADY:
            child.pause = FIRST_PAUSE
        name, code = child.program.name, child.process.returncode
        self.report(f"{name} ended with code {code}; starting it again in {child.pause:.1f} s ({name}.log tells why)")
        self._forget(child)
        child.deaths += 1
        child.due = now + child.pause
        child.pause = min(child.pause * 2, LONGEST_PAUSE)

    def _end(self, child: Child) -> None:
        if child.process is None:
            return
        if child.process.poll() is None:
            child.process.send_signal(child.program.stop_signal)
            end = time.monotonic() + child.program.stop_seconds
            asked = self.wanted_stops
            while child.process.poll() is None and time.monotonic() < end and self.wanted_stops == asked:
                time.sleep(TICK / 4)
            if child.process.poll() is None:
                self.report(f"{child.program.name} did not stop in time and is killed")
        self._forget(child, keep=True)

    def _forget(self, child: Child, *, keep: bool = False) -> None:
        assert child.process
        keeper.send(child.process.pid, signal.SIGKILL)
        child.process.wait()
        self._tell(f"- {child.process.pid}")
        if not keep:
            child.process = None

    def _hire(self) -> None:
        """Start the keeper; it holds the data folder's lock too, until the last child of ours is gone."""
        self.watchman = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", keeper.__file__],
            stdin=subprocess.PIPE,
            start_new_session=True,
            pass_fds=[self.lock.fileno()],
        )
        for child in self.children:
            if child.process:
                self._tell(f"+ {child.process.pid} {int(child.program.orphan_signal)}")

    def _tell(self, line: str) -> None:
        assert self.watchman and self.watchman.stdin
        with contextlib.suppress(BrokenPipeError):
            self.watchman.stdin.write(line.encode() + b"\n")
            self.watchman.stdin.flush()


def _make_room(log: Path) -> None:
    """Keep one older log when a new one begins, so that a crash loop cannot fill the disk."""
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        log.replace(log.with_suffix(".log.1"))


def _die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """Close the moment between a child's start and the keeper's knowing of it (on Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)

    def ask_kernel() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(number))

    return ask_kernel
