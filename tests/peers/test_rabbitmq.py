"""The whole exchange with RabbitMQ as its broker, also while that is away."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import tree
from tests.peers import exchanging, rabbitmq
from tests.peers.corpus import Original
from tests.peers.exchanging import Push
from tests.peers.rabbitmq import RabbitMQ

pytestmark = [pytest.mark.peers, pytest.mark.needs("rabbitmq-server", "curl")]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with rabbitmq.serving(tmp_path_factory.mktemp("rabbitmq") / "node") as broker:
        yield broker


@pytest.fixture(scope="module")
def rung(broker: RabbitMQ, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tree.Tree]:
    """An exchange whose workers listen to it."""
    data = tmp_path_factory.mktemp("rung") / "data"
    started = tree.start(data, settings={"CELERY_BROKER_URL": broker.url})
    try:
        tree.seed(started)
        yield started
    finally:
        started.stop()


def test_a_notice_goes_out_over_a_quorum_queue(
    rung: tree.Tree, broker: RabbitMQ, originals: list[Original], tmp_path: Path
) -> None:
    transfer_id = push(rung, originals, tmp_path)
    tree.wait_for(lambda: notice(rung, transfer_id) == "sent", what="the notice")
    assert broker.queues()["exchange"] == "quorum"


def test_a_stopped_broker_loses_nothing(
    rung: tree.Tree, broker: RabbitMQ, originals: list[Original], tmp_path: Path
) -> None:
    broker.stop()
    transfer_id = push(rung, originals, tmp_path)
    assert exchanging.state(rung, transfer_id) in exchanging.UNDER_WAY
    broker.start()
    tree.wait_for(lambda: notice(rung, transfer_id) == "sent", seconds=240, what="the notice")


def push(running: tree.Tree, originals: list[Original], folder: Path) -> str:
    """Send the first file that nothing is wrong with."""
    whole = next(original for original in originals if not original.flaw and not original.is_cut())
    transfer_id = exchanging.draft(running, "general-hospital")
    (answer,) = exchanging.curl(running, [Push(transfer_id, whole.path, "application/dicom")], folder)
    assert answer.status == 200
    path = f"/api/transfers/{transfer_id}/send/"
    assert exchanging.ask(running, path, key=exchanging.sender(running), values={}).status == 200
    return transfer_id


def notice(running: tree.Tree, transfer_id: str) -> str:
    answer = exchanging.ask(running, f"/api/transfers/{transfer_id}/", key=exchanging.sender(running))
    (delivery,) = answer.json["deliveries"]
    return str(delivery["notice"])
