"""The life of a transfer and of a delivery, as tables.

`transitions.py` applies a row by conditional update; nothing else changes a state. A test walks every pair of
state and event and checks that all others are refused.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Final, NamedTuple

LEASE_LIVES: Final = timedelta(minutes=2)
"""A push or a pull that gave no sign of life for so long has ended, however it did."""


class State(StrEnum):
    DRAFT = "draft"
    RECEIVING = "receiving"
    VALIDATING = "validating"
    HELD = "held"
    REJECTED = "rejected"
    AVAILABLE = "available"
    CLOSED = "closed"
    PURGED = "purged"


class Event(StrEnum):
    CREATE = "create"
    PUSH_TO_ADDRESS = "push to address"
    SEND = "send"
    SEND_COMPLETE = "send complete"
    FINALISE = "finalise"
    NEW_DIGEST = "new digest"
    PASS = "pass"  # noqa: S105 - an event
    WAIT = "wait"
    STOP = "stop"
    FAIL = "fail"
    REJECT = "reject"
    RELEASE = "release"
    RETRY = "retry"
    LAPSE = "lapse"
    FULFIL = "fulfil"
    WITHDRAW = "withdraw"
    REOPEN = "re-open"
    PURGE = "purge"


class Reason(StrEnum):
    """Why a transfer is held or closed."""

    NONE = ""
    WAITING = "waiting"
    FINDINGS = "findings"
    FAILED = "failed"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"
    FULFILLED = "fulfilled"
    IDLE = "idle"


class Step(NamedTuple):
    state: State
    reason: Reason = Reason.NONE


BIRTHS: dict[Event, Step] = {
    Event.CREATE: Step(State.DRAFT),
    Event.PUSH_TO_ADDRESS: Step(State.RECEIVING),
}

BEFORE_CLOSED = (State.DRAFT, State.RECEIVING, State.VALIDATING, State.HELD, State.AVAILABLE, State.REJECTED)

TRANSITIONS: dict[tuple[State, Event], Step] = {
    (State.DRAFT, Event.SEND): Step(State.RECEIVING),
    (State.DRAFT, Event.SEND_COMPLETE): Step(State.VALIDATING),
    (State.RECEIVING, Event.FINALISE): Step(State.VALIDATING),
    (State.VALIDATING, Event.NEW_DIGEST): Step(State.RECEIVING),
    (State.HELD, Event.NEW_DIGEST): Step(State.RECEIVING),
    (State.VALIDATING, Event.PASS): Step(State.AVAILABLE),
    (State.VALIDATING, Event.WAIT): Step(State.HELD, Reason.WAITING),
    (State.VALIDATING, Event.STOP): Step(State.HELD, Reason.FINDINGS),
    (State.VALIDATING, Event.FAIL): Step(State.HELD, Reason.FAILED),
    (State.VALIDATING, Event.REJECT): Step(State.REJECTED),
    (State.HELD, Event.RELEASE): Step(State.AVAILABLE),
    (State.HELD, Event.RETRY): Step(State.VALIDATING),
    (State.HELD, Event.LAPSE): Step(State.CLOSED, Reason.LAPSED),
    (State.AVAILABLE, Event.LAPSE): Step(State.CLOSED, Reason.LAPSED),
    (State.AVAILABLE, Event.FULFIL): Step(State.CLOSED, Reason.FULFILLED),
    (State.CLOSED, Event.REOPEN): Step(State.AVAILABLE),
    (State.CLOSED, Event.PURGE): Step(State.PURGED),
    (State.REJECTED, Event.PURGE): Step(State.PURGED),
    (State.DRAFT, Event.PURGE): Step(State.PURGED),
    (State.RECEIVING, Event.LAPSE): Step(State.CLOSED, Reason.LAPSED),
    (State.VALIDATING, Event.LAPSE): Step(State.CLOSED, Reason.LAPSED),
    **{(state, Event.WITHDRAW): Step(State.CLOSED, Reason.WITHDRAWN) for state in BEFORE_CLOSED},
}

# A closed transfer can be re-opened only for these reasons; a withdrawn one is gone for good.
REOPENABLE = frozenset({Reason.LAPSED, Reason.FULFILLED})

# Only what failed through no fault of its own is tried again; what was found in a study stays found.
RETRYABLE = frozenset({Reason.FAILED})

# Events that depend on the reason too.
ONLY_FROM: dict[Event, frozenset[Reason]] = {Event.REOPEN: REOPENABLE, Event.RETRY: RETRYABLE}

# While a transfer is in one of these, its Intake row gathers further pushes of the same study.
GATHERING = frozenset({State.DRAFT, State.RECEIVING, State.VALIDATING, State.HELD})

# States in which nothing can be read any more, whatever the clock says.
OVER = frozenset({State.CLOSED, State.PURGED, State.REJECTED})


def step(state: State, event: Event) -> Step | None:
    """Where an event leads from a state, or None where it is not permitted."""
    return TRANSITIONS.get((state, event))


class Access(StrEnum):
    WAITING = "waiting"
    OPEN = "open"
    DECLINED = "declined"
    REVOKED = "revoked"


class Notice(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    BOUNCED = "bounced"
    FAILED = "failed"


class Progress(StrEnum):
    NONE = "none"
    OPENED = "opened"
    PARTLY_PULLED = "partly pulled"
    PULLED = "pulled"
    PROVEN = "proven"


# Progress only ever rises: a late record of an earlier stage changes nothing.
PROGRESS_ORDER = tuple(Progress)

ACCESS_STEPS: dict[tuple[Access, str], Access] = {
    (Access.WAITING, "accept"): Access.OPEN,
    (Access.WAITING, "decline"): Access.DECLINED,
    (Access.OPEN, "decline"): Access.DECLINED,
    (Access.WAITING, "revoke"): Access.REVOKED,
    (Access.OPEN, "revoke"): Access.REVOKED,
}
