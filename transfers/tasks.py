"""Which event calls for which phase: the only file that knows what comes next.

One Celery task with one number as its argument: claim the job, call its phases, mark it. Phases are idempotent;
a job that comes twice costs time only.
"""

import logging
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from accounts import principals
from transfers import errors, jobs, transitions
from transfers.jobs import Claim
from transfers.rules.lifecycle import Event

Key = Callable[[str], object]

logger = logging.getLogger(__name__)


class Phases(NamedTuple):
    """What an event calls for: functions by dotted path, called with the job's row, if there is a key, and more."""

    paths: tuple[str, ...] = ()
    key: Key | None = None
    more: tuple[object, ...] = ()


def _of_transfer(*paths: str) -> Phases:
    return Phases(tuple(f"transfers.{path}" for path in paths), UUID)


def _of_row(path: str, *more: object) -> Phases:
    return Phases((f"transfers.{path}",), int, more)


def _of_name(path: str) -> Phases:
    return Phases((f"transfers.{path}",), str)


def _of_clock(path: str) -> Phases:
    return Phases((path,))


NOTHING = Phases()

EVENTS: dict[str, Phases] = {
    "transfer.send": NOTHING,  # its pushes go on; finalising is what calls for more
    "transfer.send-complete": _of_transfer("validating.validate"),
    "transfer.check": _of_transfer("validating.validate"),  # a draft is checked in place
    "transfer.finalise": _of_transfer("validating.validate"),
    "transfer.retry": _of_transfer("validating.validate"),
    "transfer.extend": NOTHING,  # told by whoever extended it; its mails name the day when they are sent
    "transfer.new-digest": NOTHING,  # receiving again; it will be finalised again
    "transfer.pass": _of_transfer("notifying.announce_available", "validating.compare_senders"),
    "transfer.release": _of_transfer(
        "notifying.announce_available", "validating.apply_rejections", "validating.compare_senders"
    ),
    "transfer.re-open": _of_transfer("notifying.announce_reopened", "validating.compare_senders"),
    "transfer.wait": _of_transfer("notifying.announce_held"),
    "transfer.stop": _of_transfer("notifying.announce_held"),
    "transfer.fail": _of_transfer("notifying.announce_held"),
    "transfer.reject": _of_transfer("notifying.announce_rejected"),
    "transfer.lapse": _of_transfer("notifying.announce_lapsed"),
    "transfer.rejected-instances": _of_transfer("notifying.announce_rejections"),
    "transfer.settle": _of_transfer("expiring.close_fulfilled"),  # a recipient has answered
    "transfer.fulfil": NOTHING,  # everybody has it and said so
    "transfer.withdraw": _of_transfer("notifying.announce_withdrawn", "expiring.delete_objects"),
    "transfer.purge": _of_transfer("expiring.delete_objects"),
    "delivery.waiting": _of_row("notifying.announce_delivery"),
    "delivery.accept": _of_row("notifying.announce_delivery"),
    "delivery.decline": _of_row("notifying.announce_declined"),
    "link.renew": _of_row("notifying.announce_renewed"),
    "link.locked": _of_row("notifying.announce_locked"),
    "notify": _of_row("notifying.send"),
    "quota.80": _of_row("notifying.warn_quota", 80),
    "quota.95": _of_row("notifying.warn_quota", 95),
    "alarm": _of_name("notifying.alarm_operators"),
    "packs.discard": _of_clock("transfers.receiving.discard_packs"),
    "sweep.quiet": _of_clock("transfers.receiving.finalise_quiet"),
    "sweep.lapse": _of_clock("transfers.expiring.lapse_due"),
    "sweep.purge": _of_clock("transfers.expiring.purge_due"),
    "sweep.pushes": _of_clock("transfers.expiring.end_dead_pushes"),
    "sweep.day-keys": _of_clock("transfers.expiring.destroy_day_keys"),
    "sweep.storage": _of_clock("transfers.expiring.sweep_storage"),
    "sweep.rows": _of_clock("transfers.jobs.forget"),
    "audit.seal": _of_clock("accounts.audit.seal"),
}

# What dies with a job: called with its row in the transaction that marks the job dead.
DEATHS: dict[str, Phases] = {"notify": _of_row("notifying.give_up")}


def schedule() -> dict[str, float]:
    """The recurring jobs and their intervals in seconds; each is one row that becomes due again."""
    often = float(settings.EXCHANGE_SWEEP_SECONDS)
    return {
        "sweep.quiet": often,
        "sweep.lapse": often,
        "sweep.purge": often,
        "packs.discard": 60.0,
        "audit.seal": 60.0,
        "sweep.pushes": 600.0,
        "sweep.day-keys": 3600.0,
        "sweep.storage": 86400.0,
        "sweep.rows": 86400.0,
    }


@shared_task(name="transfers.run")
def run(job_id: int) -> None:
    """Do one job, if it is there to be done."""
    if job := jobs.claim(job_id):
        work(job)


def drain(*, seconds: float) -> int:
    """Do what is due, one after the other, until nothing is or the time is over; returns how many jobs that were."""
    end, done = time.monotonic() + seconds, 0
    while time.monotonic() < end and (job_id := jobs.next_due()):
        run(job_id)
        done += 1
    return done


def work(job: Claim) -> None:
    """Call the phases of a claimed job and mark it."""
    if job.is_exhausted and job.event not in schedule():
        _bury(job, "The worker was lost at every attempt.")
        return
    phases = EVENTS.get(job.event)
    if phases is None:
        _bury(job, "No phase knows this event.")
        return
    try:
        with jobs.kept(job):
            _call(phases, job.row)
    except (errors.Gone, errors.NotFound, errors.Conflict) as error:
        _finish(job, note=_say(error))  # the transfer has moved on: there is nothing left to do
    except Exception as error:  # whatever a phase did not expect is tried again, and dies in the end
        _fail(job, error)
    else:
        _finish(job)


def _call(phases: Phases, row: str) -> None:
    for path in phases.paths:
        phase: Callable[..., object] = import_string(path)
        if phases.key is None:
            phase(*phases.more)
        else:
            phase(phases.key(row), *phases.more)


def _finish(job: Claim, *, note: str = "") -> None:
    every = schedule().get(job.event)
    if every is None:
        jobs.finish(job, note=note)
    else:
        jobs.repeat(job, every=every)


def _fail(job: Claim, error: Exception) -> None:
    """Try again later; a recurring job is never given up, for nothing else would begin it anew."""
    sentence = _say(error)
    every = schedule().get(job.event)
    logger.warning("job %s (%s) failed at attempt %s: %s", job.id, job.event, job.attempts, sentence)
    if every is not None:
        jobs.retry(job, delay=max(1.0, min(every, jobs.backoff(job.attempts))), error=sentence)
    elif job.is_last:
        _bury(job, sentence)
    else:
        jobs.retry(job, delay=jobs.backoff(job.attempts), error=sentence)


def _bury(job: Claim, sentence: str) -> None:
    """Mark a job dead and, in the same transaction, say so where people look: the transfer, or the notice."""
    with transaction.atomic():
        if not jobs.bury(job, error=sentence):
            return
        logger.error("job %s (%s) is dead: %s", job.id, job.event, sentence)
        if job.event.startswith("transfer."):
            with suppress(errors.Refused):  # only a transfer under validation can fail
                transitions.apply(UUID(job.row), Event.FAIL, who=principals.system("worker"), detail={"job": job.id})
        if phases := DEATHS.get(job.event):
            _call(phases, job.row)


def _say(error: Exception) -> str:
    """What may be kept of an error: its class, and our own sentence or the place; never its message or its data."""
    name = type(error).__name__
    if isinstance(error, errors.ExchangeError):
        return f"{name}: {error.sentence}"[:300]
    frames = traceback.extract_tb(error.__traceback__)
    return f"{name} at {Path(frames[-1].filename).stem}:{frames[-1].lineno}"[:300] if frames else name
