"""Every pair of state and event: the permitted ones move, with their audit row and job; all others are refused."""

from datetime import timedelta
from typing import Any  # column values
from uuid import uuid4

import pytest

from accounts import principals
from accounts.models import AuditEvent
from tests import factories
from transfers import errors, transitions
from transfers.models import Job, Transfer
from transfers.rules import lifecycle
from transfers.rules.lifecycle import BIRTHS, REOPENABLE, TRANSITIONS, Event, Reason, State

pytestmark = pytest.mark.django_db

WHO = principals.system("worker")
EVENTS = [event for event in Event if event not in BIRTHS]
PAIRS = [(state, event) for state in State for event in EVENTS]


def make(state: State, reason: Reason = Reason.NONE, *, event: Event | None = None) -> Transfer:
    """A transfer in this state; one that is purged, or about to be, has no key any more."""
    if state == State.CLOSED and not reason:
        reason = Reason.LAPSED
    if state == State.HELD and not reason:
        reason = Reason.FAILED
    fields: dict[str, Any] = {"wrapped_key": None} if state == State.PURGED or event == Event.PURGE else {}
    return factories.make_transfer(state=state, reason=reason, **fields)


@pytest.mark.parametrize(("state", "event"), PAIRS, ids=lambda value: str(value))
def test_each_pair_moves_or_is_refused(state: State, event: Event) -> None:
    transfer = make(state, event=event)
    step = lifecycle.step(state, event)
    if step is not None:
        assert transitions.apply(transfer.pk, event, who=WHO) == step
        expected = (step.state, step.reason, 2)
    else:
        with pytest.raises(errors.Conflict):
            transitions.apply(transfer.pk, event, who=WHO)
        expected = (state, Reason(transfer.reason), 1)
    transfer.refresh_from_db()
    assert (transfer.state, transfer.reason, transfer.revision) == expected


@pytest.mark.parametrize(("state", "event"), list(TRANSITIONS), ids=lambda value: str(value))
def test_a_step_writes_its_audit_row_and_its_job(state: State, event: Event) -> None:
    transfer = make(state, event=event)
    transitions.apply(transfer.pk, event, who=WHO, agent="test", detail={"n": 1})
    name = f"transfer.{event.replace(' ', '-')}"
    row = AuditEvent.objects.get(subject=f"transfer:{transfer.pk}")
    assert (row.action, row.principal, row.agent, row.organization_id) == (name, WHO.ident, "test", transfer.sender_id)
    assert row.detail["n"] == 1
    assert Job.objects.get(row=str(transfer.pk)).event == name


def test_a_refused_step_writes_nothing() -> None:
    transfer = make(State.PURGED)
    with pytest.raises(errors.Conflict):
        transitions.apply(transfer.pk, Event.WITHDRAW, who=WHO)
    assert not AuditEvent.objects.exists()
    assert not Job.objects.exists()


@pytest.mark.parametrize("reason", [Reason.WAITING, Reason.FINDINGS])
def test_only_what_failed_is_tried_again(reason: Reason) -> None:
    with pytest.raises(errors.Conflict):
        transitions.apply(make(State.HELD, reason).pk, Event.RETRY, who=WHO)


@pytest.mark.parametrize("reason", [Reason.LAPSED, Reason.FULFILLED, Reason.WITHDRAWN, Reason.IDLE])
def test_only_what_lapsed_or_was_fulfilled_opens_again(reason: Reason) -> None:
    transfer = make(State.CLOSED, reason)
    if reason in REOPENABLE:
        transitions.apply(transfer.pk, Event.REOPEN, who=WHO)
    else:
        with pytest.raises(errors.Conflict):
            transitions.apply(transfer.pk, Event.REOPEN, who=WHO)


def test_an_unknown_transfer_is_not_found() -> None:
    with pytest.raises(errors.NotFound):
        transitions.apply(uuid4(), Event.WITHDRAW, who=WHO)


def test_an_older_revision_is_refused() -> None:
    transfer = make(State.AVAILABLE)
    with pytest.raises(errors.PreconditionFailed):
        transitions.apply(transfer.pk, Event.LAPSE, who=WHO, revision=7)


def test_closing_is_timed_and_opening_again_forgets_it() -> None:
    transfer = make(State.AVAILABLE)
    transitions.apply(transfer.pk, Event.LAPSE, who=WHO)
    transfer.refresh_from_db()
    assert transfer.closed_at is not None
    transitions.apply(transfer.pk, Event.REOPEN, who=WHO)
    transfer.refresh_from_db()
    assert transfer.closed_at is None


def test_the_same_work_waits_once_and_at_the_earlier_time() -> None:
    transitions.enqueue("sweep.test", "1", delay=timedelta(hours=1))
    transitions.enqueue("sweep.test", "1")
    job = Job.objects.get()
    assert job.due_at < job.created_at + timedelta(minutes=1)
