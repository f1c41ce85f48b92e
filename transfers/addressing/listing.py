"""The caller's transfers, newest first, page by page; nothing sealed is opened for a list."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now

from accounts.principals import Principal
from transfers import access, births, errors
from transfers.access.seeing import recipient_q, sender_q
from transfers.addressing import describing
from transfers.addressing.views import Counts, Role
from transfers.models import Delivery, Document, Transfer
from transfers.rules import reference as references
from transfers.rules.lifecycle import OVER, Access, Progress, State

Direction = Literal["", "sent", "received"]
MAX_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Own:
    """The caller's own delivery, in a list; who stands on both sides of a transfer has one, too."""

    access: str
    access_now: str
    progress: str
    counts: Counts
    was_open: bool


@dataclass(frozen=True, slots=True)
class Receiver:
    """A recipient of what the caller's side sent; `name` is empty for the reader of a link: that address is sealed."""

    name: str
    access: str
    progress: str

    @property
    def has_it(self) -> bool:
        return self.progress in (Progress.PULLED, Progress.PROVEN)


@dataclass(frozen=True, slots=True)
class Summary:
    id: UUID
    reference: str
    role: Role
    state: State
    reason: str
    sender_address: str
    sender_name: str
    purpose: str
    urgency: str
    instance_count: int
    document_count: int
    receivers: tuple[Receiver, ...]
    own: Own | None
    created_at: datetime
    available_at: datetime | None
    available_until: datetime
    state_changed_at: datetime

    @property
    def recipient_count(self) -> int:
        return len(self.receivers)

    @property
    def having_it(self) -> int:
        """How many recipients have all of it."""
        return sum(receiver.has_it for receiver in self.receivers)

    @property
    def is_new(self) -> bool:
        """Whether the caller may open it and never has."""
        return self.own is not None and (self.own.access_now, self.own.progress) == (Access.OPEN, Progress.NONE)


@dataclass(frozen=True, slots=True)
class Page:
    """`cursor` asks for what follows; empty at the end."""

    transfers: tuple[Summary, ...]
    cursor: str


def list_transfers(
    who: Principal,
    *,
    direction: Direction = "",
    state: State | None = None,
    since: datetime | None = None,
    reference: str = "",
    cursor: str = "",
    limit: int = 50,
) -> Page:
    """Transfers the caller sent or received; `since` keeps those whose state changed at or after it.

    With a `reference`, as people type it, only the one that bears it.

    Pages are ordered by creation and id, so a page stays what it was while new transfers arrive.
    """
    limit = max(1, min(limit, MAX_PAGE))
    rows = _filtered(who, direction=direction, state=state, since=since)
    if reference:
        rows = rows.filter(reference=references.normalise(reference) or "")
    if cursor:
        rows = rows.filter(_after(cursor))
    found = list(rows.select_related("sender").order_by("-created_at", "-id")[: limit + 1])
    shown = found[:limit]
    following = _cursor(shown[-1]) if len(found) > limit else ""
    return Page(_summaries(who, shown), following)


def _filtered(
    who: Principal, *, direction: Direction, state: State | None, since: datetime | None
) -> QuerySet[Transfer]:
    rows = access.visible_transfers(who)
    if direction == "sent":
        rows = rows.filter(sender_q(who))
    elif direction == "received":
        mine = Delivery.objects.filter(recipient_q(who)).exclude(access=Access.REVOKED)
        rows = rows.filter(pk__in=mine.values("transfer_id"), available_at__isnull=False)
    if state is not None:
        rows = rows.filter(_in_state(state))
    return rows if since is None else rows.filter(state_changed_at__gte=since)


def _in_state(state: State) -> Q:
    """State by the clock: what has lapsed counts as closed before any sweep says so."""
    lapsed = Q(available_until__lte=Now()) & ~Q(state__in=[*OVER, State.DRAFT])
    if state == State.CLOSED:
        return Q(state=State.CLOSED) | lapsed
    return Q(state=state) & ~lapsed


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a page of summaries needs besides its rows, asked once for all of them."""

    now: datetime
    sent: frozenset[UUID]
    receivers: Mapping[UUID, tuple[Receiver, ...]]
    own: Mapping[UUID, Own]
    reasons: Mapping[UUID, str]
    documents: Mapping[UUID, int]


def _summaries(who: Principal, rows: list[Transfer]) -> tuple[Summary, ...]:
    facts = _facts(who, rows)
    return tuple(_summary(row, facts) for row in rows)


def _facts(who: Principal, rows: list[Transfer]) -> _Facts:
    ids = [row.pk for row in rows]
    now = births.database_now()
    sent = frozenset(Transfer.objects.filter(sender_q(who), pk__in=ids).values_list("pk", flat=True))
    return _Facts(
        now=now,
        sent=sent,
        receivers=_receivers(sent),
        own=_own_deliveries(who, {row.pk: describing.state_now(row, now)[0] for row in rows}),
        reasons=describing.reasons_of(rows),
        documents=dict(Document.objects.filter(transfer__in=ids).values_list("transfer").annotate(Count("id"))),
    )


def _receivers(sent: frozenset[UUID]) -> Mapping[UUID, tuple[Receiver, ...]]:
    """The recipients of each transfer in the order in which they were named."""
    rows = Delivery.objects.filter(transfer__in=sent).select_related("organization", "department__organization", "user")
    found: dict[UUID, tuple[Receiver, ...]] = {}
    for row in rows.order_by("id"):
        receiver = Receiver(_name(row), row.access, row.progress)
        found[row.transfer_id] = (*found.get(row.transfer_id, ()), receiver)
    return found


def _name(row: Delivery) -> str:
    if row.department is not None:
        return f"{row.department.organization.name}, {row.department.name}"
    if row.organization is not None:
        return row.organization.name
    return row.user.get_full_name() if row.user is not None else ""


def _own_deliveries(who: Principal, states: Mapping[UUID, State]) -> Mapping[UUID, Own]:
    mine = Delivery.objects.filter(recipient_q(who), transfer__in=list(states))
    rows = mine.exclude(access=Access.REVOKED).order_by("-id")
    counts = describing.counts_of(rows)
    return {row.transfer_id: _own(row, states[row.transfer_id], counts) for row in rows}


def _own(row: Delivery, state: State, counts: Mapping[int, Counts]) -> Own:
    now = describing.access_now(row.access, state)
    return Own(row.access, now, row.progress, counts.get(row.pk, Counts()), row.was_open)


def _summary(row: Transfer, facts: _Facts) -> Summary:
    state, reason = describing.state_now(row, facts.now)
    own = facts.own.get(row.pk)
    is_sender = row.pk in facts.sent
    is_open = own is not None and own.access == Access.OPEN and state == State.AVAILABLE
    may_count = is_sender or is_open or (own is not None and own.was_open)
    return Summary(
        id=row.pk,
        reference=row.reference,
        role="sender" if is_sender else "recipient",
        state=state,
        reason=facts.reasons.get(row.pk, reason),
        sender_address=row.sender.address,
        sender_name=row.sender.name,
        purpose=row.purpose,
        urgency=row.urgency,
        instance_count=row.instance_count if may_count else 0,
        document_count=facts.documents.get(row.pk, 0) if may_count else 0,
        receivers=facts.receivers.get(row.pk, ()),
        own=own,
        created_at=row.created_at,
        available_at=row.available_at,
        available_until=describing.end_of(row, state),
        state_changed_at=row.state_changed_at,
    )


def _cursor(row: Transfer) -> str:
    return base64.urlsafe_b64encode(f"{row.created_at.isoformat()}|{row.pk}".encode()).decode()


def _after(cursor: str) -> Q:
    try:
        moment, _, ident = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        created_at, transfer_id = datetime.fromisoformat(moment), UUID(ident)
    except (ValueError, binascii.Error):
        raise errors.InvalidField("cursor", "Use the cursor of the page before as it was given.") from None
    return Q(created_at__lt=created_at) | Q(created_at=created_at, id__lt=transfer_id)
