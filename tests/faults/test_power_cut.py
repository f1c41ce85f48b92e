"""The power goes while studies arrive: what was acknowledged is on the disk.

The disk is an image over a loop device. All programs are stopped in the middle of what they do and the image is
copied as it is: it holds what was synced, and little else. The next start is on the copy.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.faults import disks, invariants, sending
from tests.faults import tree as trees
from tests.faults.sending import Journal
from tests.faults.tree import Tree

pytestmark = [pytest.mark.faults, pytest.mark.peers]
CUTS = 3 + int(2 * float(os.environ.get("FAULTS_MINUTES", "0")))
MEGABYTES = 700
Settings = dict[str, str]
NONE: Settings = {}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as undone:
        yield undone


def test_power_cuts_lose_nothing_acknowledged(tmp_path: Path, stack: ExitStack) -> None:
    journal = Journal()
    tree = power_cuts(tmp_path, stack, journal, cuts=CUTS)
    invariants.age_leases(tree)
    invariants.check_all(tree, journal)


def test_without_syncs_the_same_cut_loses(tmp_path: Path, stack: ExitStack) -> None:
    """That the test above can fail: our own programs sync nothing, and packs come back empty."""
    journal = Journal()
    tree = power_cuts(tmp_path, stack, journal, cuts=1, settings=disks.without_sync(tmp_path / "lies"))
    trees.wait_for(tree.is_ready, what="the exchange being ready again")
    assert len(journal.digests) > 5
    assert tree.manage("fsck", "--read-data", check=False).returncode
    invariants.age_leases(tree)
    with pytest.raises(AssertionError, match="acknowledged instances are lost"):
        invariants.assert_nothing_acknowledged_is_lost(tree, journal)


def power_cuts(folder: Path, stack: ExitStack, journal: Journal, *, cuts: int, settings: Settings = NONE) -> Tree:
    """Push and cut, again and again, each time on what the last cut left; returns the tree after the last one."""
    image = folder / "disk-0"
    disks.make_image(image, megabytes=MEGABYTES)
    mail = folder / "mail"  # a mail that went is not undone by a power cut here
    mail.mkdir()
    tree = start(stack, image, settings | {"EMAIL_URL": mail.as_uri()})
    trees.seed(tree)
    sites = tree.sites
    settle_in(tree, journal)
    for number in range(cuts):
        after = folder / f"disk-{number + 1}"
        push_and_cut(tree, journal, image, after)
        tree.process.wait()
        stack.close()
        image.unlink()
        image = after
        tree = start(stack, image, settings | {"EMAIL_URL": mail.as_uri()})
        tree.sites = sites
    return tree


def settle_in(tree: Tree, journal: Journal) -> None:
    """What every start makes once, and the key of the day, are on the disk: the cuts are about instances."""
    answer = sending.push(tree.base_url, tree.sites["st-elsewhere"].store_key, sending.make_study(1), journal=journal)
    assert answer.status == 200
    disks.sync(tree.data)


def start(stack: ExitStack, image: Path, settings: Settings) -> Tree:
    disk = stack.enter_context(disks.mounted(image, image.with_name(f"{image.name}.mounted")))
    tree = trees.start(disk / "data", settings=settings)
    stack.callback(end, tree)
    return tree


def end(tree: Tree) -> None:
    """Programs that were cut off are gone already, the others stop in order."""
    if tree.process.poll() is None:
        tree.stop()


def push_and_cut(tree: Tree, journal: Journal, image: Path, after: Path) -> None:
    is_over = threading.Event()

    def push_on() -> None:
        while not is_over.is_set():
            study = sending.make_study(3, size=100_000)
            sending.push(tree.base_url, tree.sites["st-elsewhere"].store_key, study, journal=journal)

    senders = [threading.Thread(target=push_on) for _ in range(4)]
    known = len(journal.digests)
    for sender in senders:
        sender.start()
    try:
        trees.wait_for(lambda: len(journal.digests) >= known + 60, what="enough acknowledgements")
        stop_all(tree)
        # What was answered before may still arrive, and counts: the answer had left when the power went.
        disks.cut_power(image, after)
    finally:
        is_over.set()
        kill_all(tree)
        for sender in senders:
            sender.join()


def stop_all(tree: Tree) -> None:
    """Those that were started while the others were stopped, too."""
    stopped: set[psutil.Process] = set()
    while running := set(tree.family()) - stopped:
        for process in running:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        stopped |= running


def kill_all(tree: Tree) -> None:
    family = tree.family()
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family)
