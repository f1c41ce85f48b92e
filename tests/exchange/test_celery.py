"""The doorbell: what it must never do is keep anyone waiting, or lose a ring for good."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from django.conf import settings
from kombu.exceptions import OperationalError

from exchange import celery


@pytest.fixture(params=["redis+socket", "amqp"])
def frozen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a broker that takes connections and never says a word."""
    kind = socket.AF_UNIX if request.param == "redis+socket" else socket.AF_INET
    with socket.socket(kind) as silent:
        silent.bind(str(tmp_path / "silent") if kind == socket.AF_UNIX else ("127.0.0.1", 0))
        silent.listen(8)
        place = f"{tmp_path}/silent" if kind == socket.AF_UNIX else f"127.0.0.1:{silent.getsockname()[1]}//"
        yield f"{request.param}://{place}"


def test_frozen_broker_keeps_nobody_waiting(frozen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(celery, "TIMEOUT", 0.5)
    bell = Celery("bell", set_as_current=False)
    celery.configure(bell, broker=frozen)
    begun = time.monotonic()
    with pytest.raises((OperationalError, OSError)):
        bell.send_task("any", args=[1])
    assert time.monotonic() - begun < 3


def test_ring_reaches_the_broker(broker: str) -> None:
    bell = Celery("bell", set_as_current=False)
    celery.configure(bell, broker=broker)
    bell.send_task("any", args=[1])
    with bell.connection_for_read() as connection:
        message = connection.SimpleQueue(celery.queue(broker)).get(timeout=5)  # type: ignore[arg-type]
    assert message.content_type == "application/json"
    message.ack()


def test_rabbitmq_gets_a_quorum_queue_with_a_delivery_limit() -> None:
    assert celery.queue("amqp://mq//").queue_arguments == {"x-queue-type": "quorum", "x-delivery-limit": 5}
    assert celery.queue("redis://cache").queue_arguments is None


def test_killed_worker_gives_its_message_back() -> None:
    assert celery.app.conf.task_acks_late and celery.app.conf.task_reject_on_worker_lost
    assert celery.app.conf.worker_prefetch_multiplier == 1
    assert celery.app.conf.accept_content == ["json"]


def test_broker_is_the_one_of_the_settings() -> None:
    assert celery.app.conf.broker_url == settings.CELERY_BROKER_URL
