"""Senders that push and push again until they are told it is stored, while programs of the exchange are killed."""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import psutil

from tests.faults import invariants, sending
from tests.faults.sending import File, Journal
from tests.faults.tree import Tree

Fault = Callable[[Tree, random.Random], object]


def kill(word: str) -> Fault:
    """kill -9 of a program; the supervisor starts it again."""
    return lambda tree, dice: _kill(tree.find(word))


def kill_child_of(word: str) -> Fault:
    """kill -9 of one of the processes that a program has started for itself."""
    return lambda tree, dice: _kill(dice.choice(children) if (children := tree.children_of(word)) else None)


FAULTS: Final[dict[str, Fault]] = {
    "web process": kill_child_of("granian"),
    "web server": kill("granian"),
    "worker child": kill_child_of("celery"),
    "worker": kill("celery"),
    "relay": kill("manage.py relay"),
    "broker": kill("valkey-server"),
    "database": kill("bin/postgres"),
    "database session": kill_child_of("bin/postgres"),
}


@dataclass
class Campaign:
    """One run: the seed replays what is killed and when, as far as the machine keeps time."""

    tree: Tree
    seed: int
    senders: int = 4
    journal: Journal = field(default_factory=Journal)
    done: threading.Event = field(default_factory=threading.Event)
    failures: list[BaseException] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)

    def run(self, *, seconds: float, pause: tuple[float, float], faults: Mapping[str, Fault] = FAULTS) -> None:
        """Kill one program after the other, each at a random moment, while all push and one pulls."""
        threads = [threading.Thread(target=self._keep, args=(self._push, number)) for number in range(self.senders)]
        threads.append(threading.Thread(target=self._keep, args=(self._pull, self.senders)))
        for thread in threads:
            thread.start()
        try:
            self._break_things(seconds, pause, faults)
        finally:
            self.done.set()
            for thread in threads:
                thread.join()
        assert not self.failures, f"seed {self.seed}, after {self.killed}: {self.failures[0]!r}"

    def _break_things(self, seconds: float, pause: tuple[float, float], faults: Mapping[str, Fault]) -> None:
        dice = random.Random(self.seed)
        order = list(faults)
        dice.shuffle(order)
        end = time.monotonic() + seconds
        while time.monotonic() < end or len(self.killed) < len(order):
            self.done.wait(dice.uniform(*pause))
            name = order[len(self.killed) % len(order)]
            faults[name](self.tree, dice)
            self.killed.append(name)

    def _keep(self, act: Callable[[random.Random], None], number: int) -> None:
        dice = random.Random(self.seed * 1000 + number)
        try:
            while not self.done.is_set():
                act(dice)
        except BaseException as error:
            self.failures.append(error)

    def _push(self, dice: random.Random) -> None:
        """A study in one to three batches, each sent until all of it is acknowledged: what every PACS does."""
        study = sending.make_study(dice.randint(2, 6), size=dice.choice([5_000, 50_000, 300_000]))
        size = dice.choice([1, 2, len(study)])
        for start in range(0, len(study), size):
            self._push_batch(study[start : start + size], is_chunked=dice.random() < 0.5)

    def _push_batch(self, batch: list[File], *, is_chunked: bool) -> None:
        key = self.tree.sites["st-elsewhere"].store_key
        open_uids = {file.sop_instance_uid for file in batch}
        while open_uids:
            answer = sending.push(self.tree.base_url, key, batch, journal=self.journal, chunked=is_chunked)
            assert answer.status in (0, 200, 202, 400, 503), answer
            assert answer.status != 202 or answer.reasons <= {0xA700}, answer
            open_uids -= set(answer.stored)
            if open_uids and self.done.wait(0.3):
                return

    def _pull(self, dice: random.Random) -> None:
        """What comes back whole is what was sent."""
        self.done.wait(0.5)
        with self.journal.lock:
            known = set(self.journal.digests.values())
            studies = sorted(set(self.journal.studies.values()))
        if studies:
            study = dice.choice(studies)
            came = invariants.pull_digests(self.tree, study)
            assert came <= known | set(self.journal.digests.values())


@contextlib.contextmanager
def frozen(tree: Tree, word: str) -> Iterator[None]:
    """A program that keeps its connections and never answers, for as long as the block runs."""
    program = tree.find(word)
    assert program
    program.suspend()
    try:
        yield
    finally:
        program.resume()


def freeze_sessions(tree: Tree, dice: random.Random) -> None:
    """Every process of the database stands still for a while: a disk that hangs looks like this."""
    with contextlib.ExitStack() as stack:
        for process in tree.children_of("bin/postgres"):
            with contextlib.suppress(psutil.Error):
                process.suspend()
                stack.callback(_resume, process)
        threading.Event().wait(dice.uniform(2, 6))


def _kill(process: psutil.Process | None) -> None:
    if process is not None:
        with contextlib.suppress(psutil.Error):
            process.kill()


def _resume(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error):
        process.resume()
