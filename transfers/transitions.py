"""One change of state: a conditional update, with its audit row and its job, in the caller's transaction.

Times are the database's: `now()` of the transaction.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts import audit
from accounts.principals import Principal
from transfers import errors
from transfers.rules import lifecycle
from transfers.rules.lifecycle import Event, State, Step

# Columns that remember when a state was reached.
_TIMES: dict[Event, str] = {
    Event.SEND: "sent_at",
    Event.SEND_COMPLETE: "sent_at",
    Event.PASS: "available_at",
    Event.RELEASE: "available_at",
    Event.LAPSE: "closed_at",
    Event.FULFIL: "closed_at",
    Event.WITHDRAW: "closed_at",
    Event.REJECT: "closed_at",
}


def apply(
    transfer_id: UUID,
    event: Event,
    *,
    who: Principal,
    agent: str = "",
    revision: int | None = None,
    detail: Mapping[str, Any] | None = None,  # Any: JSON scalars
) -> Step:
    """Move a transfer along one row of the table; returns the step that was taken.

    With `revision`, only if nothing has changed since that revision was read.
    Raises Conflict where the event is not permitted in the present state, PreconditionFailed for an older revision.
    """
    steps = {state: step for (state, known), step in lifecycle.TRANSITIONS.items() if known == event}
    with transaction.atomic():
        row = _update(transfer_id, event, steps=steps, revision=revision)
        if row is None:
            raise _refusal(transfer_id, event, revision)
        sender_id, step = row
        if step.state not in lifecycle.GATHERING:
            _stop_gathering(transfer_id)
        if step.state == State.AVAILABLE:
            _open_deliveries(transfer_id)
        audit.record(
            who,
            f"transfer.{event.replace(' ', '-')}",
            organization_id=sender_id,
            subject=f"transfer:{transfer_id}",
            agent=agent,
            detail={"state": step.state, "reason": step.reason, **(detail or {})},
        )
        enqueue(f"transfer.{event.replace(' ', '-')}", str(transfer_id))
    return step


def enqueue(event: str, row: str = "", *, delay: timedelta = timedelta(0), due_at: datetime | None = None) -> None:
    """Write a job in the caller's transaction; the same event and row wait only once."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO transfers_job (event, row, state, due_at, attempts, max_attempts, error, created_at)
            VALUES (%s, %s, 'waiting', coalesce(%s, now() + make_interval(secs => %s)), 0, 16, '', now())
            ON CONFLICT (event, row) WHERE state = 'waiting'
            DO UPDATE SET due_at = least(transfers_job.due_at, excluded.due_at)
            """,
            [event, row, due_at, delay.total_seconds()],
        )


def _update(
    transfer_id: UUID, event: Event, *, steps: Mapping[State, Step], revision: int | None
) -> tuple[int, Step] | None:
    column = _TIMES.get(event)
    stamp = f", {column} = now()" if column else ""
    if event == Event.REOPEN:
        stamp = ", closed_at = NULL"
    (target,) = set(steps.values())
    reasons = [str(reason) for reason in lifecycle.ONLY_FROM[event]] if event in lifecycle.ONLY_FROM else None
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE transfers_transfer
               SET state = %s, reason = %s, state_changed_at = now(), revision = revision + 1 {stamp}
             WHERE id = %s AND state = ANY(%s) AND (%s::int IS NULL OR revision = %s)
               AND (%s::text[] IS NULL OR reason = ANY(%s))
            RETURNING sender_id
            """,  # noqa: S608 - the only inserted text is a column of the table above
            [
                target.state,
                target.reason,
                transfer_id,
                [str(state) for state in steps],
                revision,
                revision,
                reasons,
                reasons,
            ],
        )
        row = cursor.fetchone()
    return (row[0], target) if row else None


def _stop_gathering(transfer_id: UUID) -> None:
    """From here on the same study is another transfer, or a follow-up of this one."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM transfers_intake WHERE transfer_id = %s", [transfer_id])


def _open_deliveries(transfer_id: UUID) -> None:
    """From here on its recipients may read: later they are told that it is over, and the register names them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE transfers_delivery SET was_open = true WHERE transfer_id = %s AND access = 'open'", [transfer_id]
        )


def _refusal(transfer_id: UUID, event: Event, revision: int | None) -> errors.Refused:
    with connection.cursor() as cursor:
        cursor.execute("SELECT state, reason, revision FROM transfers_transfer WHERE id = %s", [transfer_id])
        row = cursor.fetchone()
    if row is None:
        return errors.NotFound()
    if revision is not None and row[2] != revision:
        return errors.PreconditionFailed()
    reason = f" ({row[1]})" if row[1] else ""
    return errors.Conflict(f"A transfer that is {row[0]}{reason} does not permit: {event}.")
