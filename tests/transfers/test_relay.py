"""The relay against a real broker, stopped and frozen; its own child does what nobody else does."""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from celery import current_app
from django.conf import settings as django_settings
from django.db import connection
from django.db.models.functions import Now

from exchange import celery, embedded
from tests import waiting
from transfers import jobs, relay, tasks, transitions
from transfers.models import Job

NO_DRAIN = (sys.executable, "-c", "")
PAST = timedelta(hours=1)


class Broker:
    """A Valkey of this test's own, which may be frozen and ended."""

    def __init__(self, folder: Path) -> None:
        self.service = embedded.Valkey(folder)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.service.prepare()
        self.process = subprocess.Popen(self.service.command(), stdout=subprocess.DEVNULL)
        self.service.wait_ready()

    def freeze(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def rung(self) -> list[int]:
        """The ids in the messages that lie in the queue."""
        client = redis.Redis(unix_socket_path=str(self.service.socket))
        bodies = [json.loads(message)["body"] for message in client.lrange(celery.QUEUE, 0, -1)]
        return sorted(json.loads(_decoded(body))[0][0] for body in bodies)


def _decoded(body: str) -> bytes:

    return base64.b64decode(body)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    own = Broker(tmp_path)
    own.start()
    with _ringing_at(own.service.url):
        yield own
    own.stop()


@contextmanager
def _ringing_at(url: str) -> Iterator[None]:
    before = current_app.conf.get("broker_write_url")
    current_app.conf.update(broker_write_url=url)
    yield
    current_app.conf.update(broker_write_url=before)


def make_relay(*, drain: tuple[str, ...] = NO_DRAIN) -> relay.Relay:
    return relay.Relay(schedule={}, drain_command=drain)


def enqueue(row: str = "1") -> Job:
    transitions.enqueue("transfer.send", row)  # an event that calls for nothing
    return Job.objects.get(row=row)


@pytest.mark.django_db
def test_what_is_due_is_rung_with_its_id_alone(broker: Broker) -> None:
    due = [enqueue("1").pk, enqueue("2").pk]
    transitions.enqueue("transfer.send", "3", delay=PAST)
    make_relay().scan()
    assert broker.rung() == due
    assert Job.objects.filter(rung_at__isnull=False).count() == 2


@pytest.mark.django_db
def test_a_ring_is_repeated_only_when_nobody_follows_it(broker: Broker) -> None:
    job, bells = enqueue(), make_relay()
    for _ in range(2):
        bells.scan()
    assert broker.rung() == [job.pk]
    Job.objects.update(rung_at=Now() - PAST)
    bells.scan()
    assert broker.rung() == [job.pk, job.pk]


@pytest.mark.django_db
def test_what_lost_its_worker_is_put_back_and_rung(broker: Broker) -> None:
    job = enqueue()
    assert jobs.claim(job.pk)
    Job.objects.update(lease_until=Now() - PAST)
    bells = make_relay()
    bells.scan()
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("waiting", 1)
    Job.objects.update(due_at=Now() - PAST)
    bells.scan()
    assert broker.rung() == [job.pk]


@pytest.mark.django_db
def test_a_stopped_broker_costs_a_pass_little_and_loses_nothing(broker: Broker) -> None:
    job, bells = enqueue(), make_relay()
    broker.stop()
    started = time.monotonic()
    bells.scan()
    bells.scan()
    assert time.monotonic() - started < 10
    job.refresh_from_db()
    assert (job.state, job.rung_at) == ("waiting", None)
    bells.close()


@pytest.mark.django_db
def test_a_frozen_broker_costs_a_deadline_and_is_rung_again_when_it_thaws(broker: Broker) -> None:
    job, bells = enqueue(), make_relay()
    broker.freeze()
    started = time.monotonic()
    bells.scan()
    assert time.monotonic() - started < 10
    assert bells.bell.is_silent
    broker.thaw()
    assert bells.bell.ringing
    bells.bell.ringing.join(10)
    bells.bell.silent_until = 0
    Job.objects.update(rung_at=None)
    bells.scan()
    assert job.pk in broker.rung()
    bells.close()


@pytest.mark.django_db(transaction=True)
def test_two_relays_do_not_ring_twice() -> None:
    for row in range(40):
        enqueue(str(row))
    start, taken = threading.Barrier(2), []

    def take() -> None:
        start.wait()
        taken.extend(jobs.take_due())
        connection.close()

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 40


def program(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, str(django_settings.BASE_DIR / "manage.py"), *arguments)


@pytest.fixture
def environment(database_server: str) -> dict[str, str]:
    """For programs of ours that work on the test's own database."""
    name = str(connection.settings_dict["NAME"])
    address = database_server.replace(f"/{embedded.DATABASE}?", f"/{name}?")
    return {**os.environ, "DATABASE_URL": address, "DJANGO_SETTINGS_MODULE": "tests.settings"}


@contextmanager
def running(command: Sequence[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program of ours in a session of its own, ended with all its children."""
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def all_done() -> bool:
    return not Job.objects.filter(event="transfer.send").exclude(state="done").exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fault", ["stopped", "frozen"])
def test_without_a_broker_everything_drains(broker: Broker, environment: dict[str, str], fault: str) -> None:
    for row in range(5):
        enqueue(str(row))
    if fault == "frozen":
        broker.freeze()
    else:
        broker.stop()
    with running(program("relay"), environment | {"CELERY_BROKER_URL": broker.service.url}):
        waiting.until(all_done, seconds=40)


@pytest.mark.django_db(transaction=True)
def test_a_relay_and_a_worker_drain_what_is_due(broker: Broker, environment: dict[str, str]) -> None:
    for row in range(5):
        enqueue(str(row))
    worker = (sys.executable, "-m", "celery", "-A", "exchange", "worker", "--concurrency=1")
    environment |= {"CELERY_BROKER_URL": broker.service.url}
    with running(program("relay"), environment) as ringing, running(worker, environment):
        waiting.until(all_done, seconds=40)
        waiting.until(lambda: Job.objects.filter(event="audit.seal", done_at=None, attempts=0).exists())
        ringing.terminate()
        assert ringing.wait(15) == 0
    assert set(tasks.schedule()) <= set(Job.objects.values_list("event", flat=True))


@pytest.mark.django_db
def test_a_job_that_nobody_takes_is_done_by_the_relays_child(broker: Broker, tmp_path: Path) -> None:
    enqueue()
    Job.objects.update(due_at=Now() - PAST)
    bells = make_relay(drain=(sys.executable, "-c", f"open({str(tmp_path / 'drained')!r}, 'w')"))
    bells.scan()
    assert bells.drain
    assert bells.drain.wait(20) == 0
    assert (tmp_path / "drained").exists()


@pytest.mark.django_db
def test_one_child_at_a_time(broker: Broker) -> None:
    enqueue()
    Job.objects.update(due_at=Now() - PAST)
    bells = make_relay(drain=(sys.executable, "-c", "import time; time.sleep(60)"))
    bells.scan()
    first = bells.drain
    bells.scan()
    assert bells.drain is first
    bells.close()
    assert first
    assert first.poll() is not None
