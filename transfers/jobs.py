"""The queue of record: jobs are claimed, kept, marked, and put back when their worker is gone.

A claim is a conditional update with a fresh token, and only the holder of the token marks. The attempt is counted
before it begins, so that a job that kills its worker runs out of attempts like any other. A lease is short and
renewed while the work goes on: what a killed worker held is free again within a minute.
"""

import contextlib
import logging
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import SystemRandom
from typing import Any

from django.db import DatabaseError, IntegrityError, connection, transaction

LEASE = 45.0  # seconds
HEARTBEAT = 10.0
# Seconds after which a lease is not renewed any more; Celery's hard limit has ended such a task by then.
LONGEST = 30 * 60.0
RING_AGAIN = 15.0  # seconds after which a ring that nobody followed is repeated
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 3600.0  # seconds; what a retry waits at most, doubling
KEEP_DONE = timedelta(days=30)
KEEP_COMMITMENTS = timedelta(days=7)
KEEP_ANSWERS = timedelta(days=1)

_random = SystemRandom()
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that is ours until the lease runs out."""

    id: int
    event: str
    row: str
    attempts: int
    max_attempts: int
    token: uuid.UUID

    @property
    def is_last(self) -> bool:
        return self.attempts >= self.max_attempts

    @property
    def is_exhausted(self) -> bool:
        return self.attempts > self.max_attempts


def claim(job_id: int) -> Claim | None:
    """Take a due job, or None where another worker has it or the same work is still running."""
    token = uuid.uuid4()
    rows = _rows(
        """
        UPDATE transfers_job AS job
           SET state = 'running', token = %s, attempts = least(attempts + 1, 1000),
               lease_until = now() + make_interval(secs => %s)
         WHERE id = %s AND state = 'waiting' AND due_at <= now()
           AND NOT EXISTS (SELECT 1 FROM transfers_job AS twin
                            WHERE twin.event = job.event AND twin.row = job.row AND twin.state = 'running')
        RETURNING event, row, attempts, max_attempts
        """,
        [token, LEASE, job_id],
    )
    if not rows:
        return None
    event, row, attempts, max_attempts = rows[0]
    return Claim(job_id, event, row, attempts, max_attempts, token)


@contextlib.contextmanager
def kept(job: Claim) -> Iterator[None]:
    """Renew the lease while the work goes on; a short job never needs it."""
    ended = threading.Event()
    keeper = threading.Thread(target=_keep, args=(job, ended), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()


def finish(job: Claim, *, note: str = "") -> bool:
    """Mark a job done; False where the token is no longer the job's."""
    with transaction.atomic():
        if not _mark(job, "state = 'done', done_at = now(), error = %s", [note]):
            return False
        # What came in while it ran has waited for it: ring at once.
        _rows(
            "UPDATE transfers_job SET rung_at = NULL WHERE event = %s AND row = %s AND state = 'waiting' RETURNING id",
            [job.event, job.row],
        )
    return True


def repeat(job: Claim, *, every: float) -> bool:
    """Mark a recurring job done and due again, in one update of the same row."""
    return _wait(job, delay=every, attempts=0, error="")


def retry(job: Claim, *, delay: float, error: str) -> bool:
    """Put a failed job back, due after a delay."""
    return _wait(job, delay=delay, attempts=job.attempts, error=error)


def bury(job: Claim, *, error: str) -> bool:
    """Mark a job dead; the caller writes what follows from it in the same transaction."""
    return _mark(job, "state = 'dead', done_at = now(), error = %s", [error])


def backoff(attempts: int) -> float:
    """Seconds to wait after so many attempts: full jitter, so that what failed together does not return together."""
    return _random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempts - 1, 10)))


def ensure_recurring(schedule: Mapping[str, float]) -> None:
    """Write the jobs of the schedule that are not there, and bring forward what a longer interval put off."""
    for event, every in schedule.items():
        _rows(
            """
            INSERT INTO transfers_job (event, row, state, due_at, attempts, max_attempts, error, created_at)
            SELECT %s, '', 'waiting', now(), 0, 16, '', now()
             WHERE NOT EXISTS (SELECT 1 FROM transfers_job WHERE event = %s AND row = '' AND state = 'running')
            ON CONFLICT (event, row) WHERE state = 'waiting'
            DO UPDATE SET due_at = least(transfers_job.due_at, now() + make_interval(secs => %s))
            RETURNING id
            """,
            [event, event, every],
        )


def take_due(*, limit: int = 100) -> list[int]:
    """The ids to ring now. They are marked first, so that two relays never ring the same."""
    rows = _rows(
        """
        UPDATE transfers_job SET rung_at = now()
         WHERE id IN (SELECT id FROM transfers_job
                       WHERE state = 'waiting' AND due_at <= now()
                         AND (rung_at IS NULL OR rung_at < now() - make_interval(secs => %s))
                       ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED)
        RETURNING id
        """,
        [RING_AGAIN, limit],
    )
    return [row[0] for row in rows]


def put_back(job_ids: list[int]) -> None:
    """Undo the mark of jobs that could not be rung."""
    _rows("UPDATE transfers_job SET rung_at = NULL WHERE id = ANY(%s) AND state = 'waiting' RETURNING id", [job_ids])


def next_due() -> int | None:
    """The job that has been due the longest and that nobody runs."""
    rows = _rows(
        """
        SELECT id FROM transfers_job AS job
         WHERE state = 'waiting' AND due_at <= now()
           AND NOT EXISTS (SELECT 1 FROM transfers_job AS twin
                            WHERE twin.event = job.event AND twin.row = job.row AND twin.state = 'running')
         ORDER BY due_at LIMIT 1
        """,
        [],
    )
    return rows[0][0] if rows else None


def is_overdue(seconds: float) -> bool:
    """Whether a job has been due for so long without anybody taking it."""
    rows = _rows(
        """
        SELECT EXISTS (SELECT 1 FROM transfers_job
                        WHERE state = 'waiting' AND due_at < now() - make_interval(secs => %s))
        """,
        [seconds],
    )
    return bool(rows[0][0])


def recover() -> int:
    """Put back what lost its worker; returns how many jobs that were."""
    try:
        with transaction.atomic():
            return len(_rows(_RECOVER, [FIRST_PAUSE, LONGEST_PAUSE]))
    except IntegrityError:  # the same work was enqueued this very moment: the next pass sees it
        return 0


_RECOVER = """
    UPDATE transfers_job AS job
       SET state = CASE WHEN has_twin THEN 'done' ELSE 'waiting' END,
           done_at = CASE WHEN has_twin THEN now() END,
           token = NULL, lease_until = NULL, rung_at = NULL,
           error = CASE WHEN has_twin THEN 'Done by the same job that came later.' ELSE 'The worker was lost.' END,
           due_at = now() + random() * make_interval(secs => least(%s * 2 ^ greatest(least(attempts - 1, 10), 0), %s))
      FROM (SELECT id AS lost_id,
                   EXISTS (SELECT 1 FROM transfers_job AS twin
                            WHERE twin.event = lost.event AND twin.row = lost.row AND twin.state = 'waiting')
                   AS has_twin
              FROM transfers_job AS lost
             WHERE state = 'running' AND lease_until < now()
               FOR UPDATE SKIP LOCKED) AS expired
     WHERE job.id = lost_id
    RETURNING job.id
"""


def requeue(job_id: int) -> bool:
    """Let an operator try a dead job again, with all its attempts."""
    try:
        with transaction.atomic():
            rows = _rows(
                """
                UPDATE transfers_job
                   SET state = 'waiting', attempts = 0, due_at = now(), rung_at = NULL, done_at = NULL, token = NULL
                 WHERE id = %s AND state = 'dead' RETURNING id
                """,
                [job_id],
            )
    except IntegrityError:  # the same work waits already
        return False
    return bool(rows)


def forget() -> None:
    """Remove what nobody asks for any more: old done jobs, answers kept for a repetition or to be read again."""
    for statement, age in (
        ("DELETE FROM transfers_job WHERE state = 'done' AND done_at < now() - %s RETURNING id", KEEP_DONE),
        ("DELETE FROM transfers_idempotencykey WHERE created_at < now() - %s RETURNING id", KEEP_ANSWERS),
        ("DELETE FROM transfers_commitment WHERE asked_at < now() - %s RETURNING id", KEEP_COMMITMENTS),
    ):
        _rows(statement, [age])


def _wait(job: Claim, *, delay: float, attempts: int, error: str) -> bool:
    try:
        with transaction.atomic():
            return _mark(
                job,
                "state = 'waiting', lease_until = NULL, rung_at = NULL, token = NULL, attempts = %s, error = %s,"
                " due_at = now() + make_interval(secs => %s)",
                [attempts, error, delay],
            )
    except IntegrityError:  # the same work was enqueued meanwhile and waits already
        return finish(job, note=error)


def _mark(job: Claim, assignments: str, parameters: list[Any]) -> bool:  # Any: SQL parameters
    return bool(
        _rows(
            f"UPDATE transfers_job SET {assignments} WHERE id = %s AND token = %s AND state = 'running' RETURNING id",  # noqa: S608 - constants of this module
            [*parameters, job.id, job.token],
        )
    )


def _keep(job: Claim, ended: threading.Event) -> None:
    """Renew until the work ends; a database that is away for a moment is asked again at the next beat."""
    over = time.monotonic() + LONGEST
    try:
        while not ended.wait(HEARTBEAT) and time.monotonic() < over:
            try:
                _mark(job, "lease_until = now() + make_interval(secs => %s)", [LEASE])
            except DatabaseError as error:
                logger.warning("lease of job %s not renewed: %s", job.id, type(error).__name__)
                connection.close()
    finally:
        connection.close()


def _rows(statement: str, parameters: list[Any]) -> list[tuple[Any, ...]]:  # Any: columns as the database types them
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
