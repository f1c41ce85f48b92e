"""A disk that fills up while studies arrive: a clear refusal, nothing lost, and no hand needed afterwards."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults import disks, invariants, sending
from tests.faults import tree as trees
from tests.faults.sending import Answer, Journal
from tests.faults.tree import Tree

pytestmark = [pytest.mark.faults, pytest.mark.peers]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as undone:
        yield undone


def test_full_storage_refuses_and_recovers(tmp_path: Path, stack: ExitStack) -> None:
    storage = stack.enter_context(disks.tmpfs(tmp_path / "storage", megabytes=96))
    tree = start(stack, tmp_path / "data", {"STORAGE_URL": storage.as_uri()})
    journal = Journal()
    assert push_while_filling(tree, journal, storage / "ballast") >= {507}
    assert journal.digests, "it was full from the beginning"
    (storage / "ballast").unlink()
    pushes_again(tree, journal)
    invariants.age_leases(tree)
    invariants.check_all(tree, journal)


def test_full_database_disk_refuses_and_recovers(tmp_path: Path, stack: ExitStack) -> None:
    """PostgreSQL panics when it cannot write its log; the doors say 503 until it can."""
    disk = stack.enter_context(disks.tmpfs(tmp_path / "disk", megabytes=320))
    packs, mail = tmp_path / "packs", tmp_path / "mail"
    tree = start(stack, disk / "data", {"STORAGE_URL": packs.as_uri(), "EMAIL_URL": mail.as_uri()})
    journal = Journal()
    assert push_while_filling(tree, journal, disk / "ballast", until=503) >= {503}
    (disk / "ballast").unlink()
    pushes_again(tree, journal)
    invariants.age_leases(tree)
    invariants.check_all(tree, journal)


def start(stack: ExitStack, data: Path, settings: dict[str, str]) -> Tree:
    tree = trees.start(data, settings=settings)
    stack.callback(tree.stop)
    trees.seed(tree)
    return tree


def push_while_filling(tree: Tree, journal: Journal, ballast: Path, *, until: int = 507) -> set[int]:
    """Several senders push on until the disk has been full for a while; returns the statuses there were."""
    is_over = threading.Event()
    refusals: list[Answer] = []

    def push_on() -> None:
        while not is_over.is_set():
            answer = push(tree, journal)
            if answer.status == until:
                refusals.append(answer)

    senders = [threading.Thread(target=push_on) for _ in range(3)]
    for sender in senders:
        sender.start()
    try:
        trees.wait_for(lambda: journal.digests, what="the first acknowledgement")
        disks.fill(ballast)
        trees.wait_for(lambda: len(refusals) >= 10, seconds=30, what=f"ten refusals, only {journal.statuses}")
    finally:
        is_over.set()
        for sender in senders:
            sender.join()
    assert set(journal.statuses) <= {0, 200, 202, 503, 507}, journal.statuses
    return set(journal.statuses)


def push(tree: Tree, journal: Journal) -> Answer:
    answer = sending.push(
        tree.base_url, tree.sites["st-elsewhere"].store_key, sending.make_study(3, size=300_000), journal=journal
    )
    assert answer.reasons <= {0xA700}, answer
    return answer


def pushes_again(tree: Tree, journal: Journal) -> None:
    """Without a restart, without a command."""
    trees.wait_for(lambda: push(tree, journal).status == 200, what="a push that is taken")
