"""The relay: finds what is due in the queue of record and rings a worker for it.

The broker is a doorbell. One that is stopped costs its timeout, one that is frozen a deadline: rings are given in a
thread of their own. While it stays away, or while something due is taken by nobody, the relay has the due jobs
done by a child of its own, so that everything drains without a broker or a worker.
"""

import logging
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from celery import current_app
from django.db import DatabaseError, connection

from transfers import jobs

TASK = "transfers.run"
PAUSE = 0.5  # seconds between two scans
DEADLINE = 5.0  # seconds in which a batch must be rung
QUIET = 10.0  # seconds without rings after the broker did not answer
OVERDUE = 60.0  # seconds after which what nobody took is done here
LONGEST_DRAIN = jobs.LONGEST + 60.0

# One attempt, no waiting inside the client: the next scan is the retry.
TRANSPORT = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "connect_retries_timeout": DEADLINE - 1}

logger = logging.getLogger(__name__)


@dataclass
class Bell:
    """Rings with ids; never waits longer than the deadline."""

    ringing: threading.Thread | None = None
    silent_until: float = 0.0

    @property
    def is_silent(self) -> bool:
        """Whether the broker did not answer lately; asked again when the time is over."""
        return time.monotonic() < self.silent_until or bool(self.ringing and self.ringing.is_alive())

    def ring(self, job_ids: Sequence[int]) -> list[int]:
        """Ring for each; returns those of which the broker said that it has them."""
        rung: list[int] = []
        self.ringing = threading.Thread(target=_ring, args=(job_ids, rung), daemon=True)
        self.ringing.start()
        self.ringing.join(DEADLINE)
        answered = rung[:]
        if len(answered) < len(job_ids):
            self.silent_until = time.monotonic() + QUIET
        return answered


@dataclass
class Relay:
    """One pass a call. `drain_command` starts a program that does what is due and ends."""

    schedule: Mapping[str, float]
    drain_command: Sequence[str]
    bell: Bell = field(default_factory=Bell)
    drain: subprocess.Popen[bytes] | None = None
    drain_started: float = 0.0

    def serve(self, stop: threading.Event) -> None:
        """Scan until told to stop; a database that is away is asked again, slower and slower."""
        pause, is_ensured = PAUSE, False
        while not stop.wait(pause):
            try:
                if not is_ensured:
                    jobs.ensure_recurring(self.schedule)
                    is_ensured = True
                self.scan()
                pause = PAUSE
            except DatabaseError as error:
                logger.warning("database: %s", type(error).__name__)
                connection.close()
                pause = min(pause * 2, 10.0)
        self.close()

    def scan(self) -> None:
        """Put back what lost its worker, ring for what is due, see to it that it gets done."""
        jobs.recover()
        if self.bell.is_silent:
            self._do_it_here()
            return
        due = jobs.take_due()
        if due:
            rung = self.bell.ring(due)
            jobs.put_back(sorted(set(due).difference(rung)))
        if self.bell.is_silent or jobs.is_overdue(OVERDUE):
            self._do_it_here()

    def close(self) -> None:
        """End the child; the leases of what it was doing run out."""
        if self.drain and self.drain.poll() is None:
            self.drain.terminate()
            self.drain.wait()

    def _do_it_here(self) -> None:
        if self.drain and self.drain.poll() is None:
            if time.monotonic() - self.drain_started > LONGEST_DRAIN:
                self.drain.kill()
            return
        if jobs.next_due() is None:
            return
        logger.warning("no worker is reached: doing what is due here")
        self.drain_started = time.monotonic()
        self.drain = subprocess.Popen(self.drain_command, stdin=subprocess.DEVNULL)  # noqa: S603 - our own program


def _ring(job_ids: Sequence[int], rung: list[int]) -> None:
    """A fresh connection each time: none is left over in an unknown state."""
    try:
        with current_app.connection_for_write(transport_options=TRANSPORT) as broker:
            for job_id in job_ids:
                current_app.send_task(TASK, args=[job_id], connection=broker, retry=False, ignore_result=True)
                rung.append(job_id)
    except Exception as error:  # every transport has errors of its own, and none may end the relay
        logger.warning("broker: %s", type(error).__name__)
