"""Jobs: claimed once, marked only by their holder, tried again, buried with what follows from it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.utils.module_loading import import_string
from pytest_django import Settings

from tests import factories, waiting
from transfers import errors, jobs, tasks, transitions
from transfers.models import Delivery, Job, Notification
from transfers.rules.lifecycle import BIRTHS, Event, Notice, Reason, State

pytestmark = pytest.mark.django_db

CALLS: list[object] = []
STATE = SimpleNamespace(error=None)


def phase(row: object = None, *more: object) -> None:
    """Stands for a phase of the table below: remembers its call, fails when told to."""
    CALLS.append((row, *more))
    if STATE.error:
        raise STATE.error


@pytest.fixture(autouse=True)
def _own_phases(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    here = f"{__name__}.phase"
    monkeypatch.setitem(tasks.EVENTS, "test.row", tasks.Phases((here,), int))
    monkeypatch.setitem(tasks.EVENTS, "test.more", tasks.Phases((here,), int, (80,)))
    monkeypatch.setitem(tasks.EVENTS, "audit.seal", tasks.Phases((here,)))
    monkeypatch.setitem(tasks.EVENTS, "transfer.finalise", tasks.Phases((here,), UUID))
    monkeypatch.setitem(tasks.EVENTS, "notify", tasks.Phases((here,), int))
    CALLS.clear()
    STATE.error = None
    yield
    STATE.error = None


def enqueue(event: str = "test.row", row: str = "1") -> Job:
    transitions.enqueue(event, row)
    return Job.objects.get(event=event, row=row, state="waiting")


def run(job: Job) -> Job:
    tasks.run(job.pk)
    job.refresh_from_db()
    return job


def let_it_be_the_last(job: Job) -> Job:
    Job.objects.filter(pk=job.pk).update(attempts=F("max_attempts") - 1)
    return job


def test_a_due_job_calls_its_phase_with_its_row() -> None:
    job = run(enqueue(row="42"))
    assert CALLS == [(42,)]
    assert (job.state, job.attempts, job.error) == ("done", 1, "")


def test_an_event_may_bring_arguments_of_its_own() -> None:
    run(enqueue("test.more", "7"))
    assert CALLS == [(7, 80)]


def test_a_job_that_is_not_due_is_left_alone() -> None:
    transitions.enqueue("test.row", "1", delay=timedelta(hours=1))
    assert run(Job.objects.get()).state == "waiting"
    assert CALLS == []


def test_a_done_job_is_not_done_again() -> None:
    run(run(enqueue()))
    assert len(CALLS) == 1


def test_the_same_work_does_not_run_beside_itself() -> None:
    first = jobs.claim(enqueue().pk)
    second = enqueue()
    assert first is not None
    assert jobs.claim(second.pk) is None
    jobs.finish(first)
    assert jobs.claim(second.pk) is not None


def test_only_the_token_marks() -> None:
    job = enqueue()
    stale = jobs.claim(job.pk)
    assert stale is not None
    Job.objects.update(token=uuid4())
    assert not jobs.finish(stale)
    assert not jobs.retry(stale, delay=0, error="")
    assert not jobs.bury(stale, error="")
    job.refresh_from_db()
    assert job.state == "running"


def test_a_worker_that_was_overtaken_buries_nothing() -> None:
    transfer = factories.make_transfer(state=State.VALIDATING)
    job = let_it_be_the_last(enqueue("transfer.finalise", str(transfer.pk)))
    claimed = jobs.claim(job.pk)
    assert claimed is not None
    Job.objects.update(token=uuid4())
    STATE.error = ValueError()
    tasks.work(claimed)
    transfer.refresh_from_db()
    assert transfer.state == State.VALIDATING


@pytest.mark.parametrize("error", [errors.StorageUnavailable(), ValueError("Doe^Jane"), OSError(5, "Doe^Jane")])
def test_a_failure_is_tried_again_later(error: Exception) -> None:
    STATE.error = error
    job = run(enqueue())
    assert (job.state, job.attempts, job.token, job.lease_until) == ("waiting", 1, None, None)
    assert Job.objects.filter(due_at__lt=Now() + timedelta(seconds=11)).exists()


def test_an_error_is_kept_without_its_data() -> None:
    STATE.error = ValueError("Doe^Jane")
    assert run(enqueue()).error.startswith("ValueError at test_tasks:")


def test_an_error_of_ours_is_kept_with_its_sentence() -> None:
    STATE.error = errors.StorageFull()
    assert run(enqueue()).error == f"StorageFull: {errors.StorageFull.sentence}"


@pytest.mark.parametrize("error", [errors.Gone(), errors.NotFound(), errors.Conflict()])
def test_what_has_moved_on_needs_nothing_more(error: Exception) -> None:
    STATE.error = error
    assert run(enqueue()).state == "done"


def test_pauses_double_up_to_an_hour() -> None:
    longest = [max(jobs.backoff(attempts) for _ in range(400)) for attempts in (1, 2, 16)]
    assert 8 < longest[0] <= 10 < longest[1] <= 20
    assert 3000 < longest[2] <= 3600


def test_a_dead_job_holds_its_transfer_as_failed() -> None:
    transfer = factories.make_transfer(state=State.VALIDATING)
    STATE.error = ValueError()
    job = run(let_it_be_the_last(enqueue("transfer.finalise", str(transfer.pk))))
    transfer.refresh_from_db()
    assert (job.state, transfer.state, transfer.reason) == ("dead", State.HELD, Reason.FAILED)
    assert Job.objects.filter(event="transfer.fail", row=str(transfer.pk)).exists()


def test_a_death_and_what_follows_from_it_are_one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    transfer = factories.make_transfer(state=State.VALIDATING)
    STATE.error = ValueError()
    job = let_it_be_the_last(enqueue("transfer.finalise", str(transfer.pk)))
    monkeypatch.setitem(tasks.DEATHS, "transfer.finalise", tasks.Phases(("builtins.int",), lambda row: row))
    with pytest.raises(ValueError, match="invalid literal"):  # what follows fails: nothing of it is written
        tasks.run(job.pk)
    transfer.refresh_from_db()
    job.refresh_from_db()
    assert (job.state, transfer.state) == ("running", State.VALIDATING)


def test_a_dead_job_of_a_closed_transfer_changes_no_state() -> None:
    transfer = factories.make_transfer(state=State.CLOSED, reason=Reason.LAPSED)
    STATE.error = ValueError()
    job = run(let_it_be_the_last(enqueue("transfer.finalise", str(transfer.pk))))
    transfer.refresh_from_db()
    assert (job.state, transfer.state) == ("dead", State.CLOSED)


def test_a_dead_notice_shows_at_its_delivery_and_is_told_to_the_sender() -> None:
    transfer = factories.make_transfer(to=[factories.make_organization()], state=State.AVAILABLE)
    notification = Notification.objects.create(
        transfer=transfer,
        delivery=transfer.deliveries.get(),
        event="available",
        audience="recipient",
        message_id="<1@here>",
        created_at=Now(),
    )
    STATE.error = errors.Unavailable()
    run(let_it_be_the_last(enqueue("notify", str(notification.pk))))
    notification.refresh_from_db()
    assert (notification.state, Delivery.objects.get().notice) == ("failed", Notice.FAILED)
    assert Notification.objects.filter(event=f"undelivered:{notification.pk}", audience="sender").exists()


def test_a_job_that_loses_its_worker_every_time_dies() -> None:
    job = enqueue()
    Job.objects.update(attempts=F("max_attempts"))
    assert run(job).state == "dead"
    assert CALLS == []


def test_an_event_nobody_knows_dies_at_once() -> None:
    assert run(enqueue("test.unknown")).state == "dead"


def test_an_operator_lets_a_dead_job_try_again() -> None:
    job = run(enqueue("test.unknown"))
    assert jobs.requeue(job.pk)
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("waiting", 0)


def test_a_recurring_job_is_due_again_in_the_same_row() -> None:
    job = run(enqueue("audit.seal", ""))
    assert (job.state, job.attempts) == ("waiting", 0)
    assert Job.objects.filter(due_at__gt=Now() + timedelta(seconds=55)).exists()
    assert Job.objects.count() == 1


def test_a_recurring_job_never_dies() -> None:
    STATE.error = ValueError()
    job = run(let_it_be_the_last(enqueue("audit.seal", "")))
    assert job.state == "waiting"
    assert job.error


def test_a_recurring_job_that_was_asked_for_while_it_ran_stays_one() -> None:
    claimed = jobs.claim(enqueue("audit.seal", "").pk)
    assert claimed is not None
    transitions.enqueue("audit.seal")
    tasks.work(claimed)
    assert sorted(Job.objects.values_list("state", flat=True)) == ["done", "waiting"]


def test_the_schedule_is_rows_that_are_written_once() -> None:
    for _ in range(2):
        jobs.ensure_recurring(tasks.schedule())
    assert sorted(Job.objects.values_list("event", flat=True)) == sorted(tasks.schedule())


def test_a_shorter_interval_holds_at_once() -> None:
    jobs.ensure_recurring({"audit.seal": 60})
    Job.objects.update(due_at=Now() + timedelta(days=1))
    jobs.ensure_recurring({"audit.seal": 60})
    assert Job.objects.filter(due_at__lt=Now() + timedelta(seconds=61)).exists()


def test_a_sweep_follows_the_settings(settings: Settings) -> None:
    settings.EXCHANGE_SWEEP_SECONDS = 1
    assert tasks.schedule()["sweep.lapse"] == 1


def test_a_job_without_its_worker_comes_back() -> None:
    job = enqueue()
    assert jobs.claim(job.pk)
    assert jobs.recover() == 0
    Job.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert jobs.recover() == 1
    job.refresh_from_db()
    assert (job.state, job.attempts, job.token) == ("waiting", 1, None)
    assert Job.objects.filter(due_at__gte=Now(), due_at__lte=Now() + timedelta(seconds=10)).exists()


def test_a_lost_job_whose_work_waits_again_is_done_by_that() -> None:
    assert jobs.claim(enqueue().pk)
    enqueue()
    Job.objects.filter(state="running").update(lease_until=Now() - timedelta(seconds=1))
    assert jobs.recover() == 1
    assert sorted(Job.objects.values_list("state", flat=True)) == ["done", "waiting"]


def test_drain_does_all_that_is_due() -> None:
    for row in range(3):
        enqueue(row=str(row))
    transitions.enqueue("test.row", "9", delay=timedelta(hours=1))
    assert tasks.drain(seconds=30) == 3
    assert sorted(CALLS, key=str) == [(0,), (1,), (2,)]


def test_old_rows_are_forgotten() -> None:
    run(enqueue(row="1"))
    run(enqueue(row="2"))
    Job.objects.filter(row="1").update(done_at=Now() - jobs.KEEP_DONE - timedelta(days=1))
    jobs.forget()
    assert [job.row for job in Job.objects.all()] == ["2"]


def test_every_step_of_a_transfer_has_an_entry() -> None:
    names = {f"transfer.{event.replace(' ', '-')}" for event in Event if event not in BIRTHS}
    assert names <= set(tasks.EVENTS)


def test_everything_scheduled_has_an_entry() -> None:
    assert set(tasks.schedule()) <= set(tasks.EVENTS)


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_claims() -> None:
    job, start = enqueue(), threading.Barrier(4)

    def claim() -> jobs.Claim | None:
        start.wait()
        try:
            return jobs.claim(job.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        claims = [future.result() for future in [pool.submit(claim) for _ in range(4)]]
    assert sum(claim is not None for claim in claims) == 1


@pytest.mark.django_db(transaction=True)
def test_a_long_job_keeps_its_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "HEARTBEAT", 0.02)
    claimed = jobs.claim(enqueue().pk)
    assert claimed is not None
    Job.objects.update(lease_until=Now() - timedelta(seconds=1))
    with jobs.kept(claimed):
        waiting.until(lambda: Job.objects.filter(lease_until__gt=Now()).exists())
    assert jobs.recover() == 0


PATHS = sorted({path for phases in [*tasks.EVENTS.values(), *tasks.DEATHS.values()] for path in phases.paths})


@pytest.mark.parametrize("path", PATHS)
def test_every_phase_of_the_table_is_there(path: str) -> None:
    assert callable(import_string(path))
