"""kill -9 of everything there is, at any time: nothing acknowledged is lost, everybody is told once.

FAULTS_MINUTES makes it longer, FAULTS_SEED replays one run.
"""

import os
import random

import pytest

from tests.faults import campaign, invariants, sending
from tests.faults.campaign import Campaign
from tests.faults.sending import Journal
from tests.faults.tree import Tree

pytestmark = pytest.mark.faults
MINUTES = float(os.environ.get("FAULTS_MINUTES", "0"))
SEED = int(os.environ.get("FAULTS_SEED") or random.randrange(1, 10_000))


def test_kill_of_any_program_at_any_time_loses_nothing(tree: Tree) -> None:
    run = Campaign(tree, SEED, senders=8 if MINUTES else 3)
    run.run(seconds=MINUTES * 60, pause=(0.2, 3.0 if MINUTES else 1.0))
    invariants.age_leases(tree)
    invariants.check_all(tree, run.journal)
    print(f"seed {SEED}: {len(run.killed)} kills, {len(run.journal.digests)} instances acknowledged, none lost")


def test_frozen_broker_keeps_nobody_waiting(tree: Tree) -> None:
    """No request talks to the broker, and what is due gets done without it."""
    journal, key = Journal(), tree.sites["st-elsewhere"].store_key
    with campaign.frozen(tree, "valkey-server"):
        answers = [sending.push(tree.base_url, key, sending.make_study(2), journal=journal) for _ in range(5)]
        assert [answer.status for answer in answers] == [200] * 5
        invariants.settle(tree)
    invariants.check_all(tree, journal)


def test_frozen_database_loses_nothing(tree: Tree) -> None:
    """Its sessions stand still with it: pushes wait, or are told to come again."""
    run = Campaign(tree, SEED, senders=2)
    run.run(seconds=3, pause=(1.0, 1.0), faults={"frozen": campaign.freeze_sessions})
    invariants.age_leases(tree)
    invariants.check_all(tree, run.journal)
