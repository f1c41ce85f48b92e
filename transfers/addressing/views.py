"""What is told of a transfer: frozen answers, which the doors hand on in their own words."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from transfers.rules.lifecycle import State

Role = Literal["sender", "recipient"]


@dataclass(frozen=True, slots=True)
class Party:
    """Who is at one end: an organisation, a department, a person, or an e-mail address without account."""

    kind: Literal["organization", "department", "user", "email"]
    name: str = field(repr=False)
    address: str = field(default="", repr=False)
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much of a transfer was answered for one delivery."""

    pulled: int = 0
    viewed: int = 0
    documents_pulled: int = 0


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """`access` is what was granted, `access_now` what that is worth: `ended` with the transfer, by the clock."""

    id: int
    recipient: Party
    access: str
    access_now: str
    notice: str
    progress: str
    counts: Counts
    opened_at: datetime | None
    pulled_at: datetime | None
    proven_at: datetime | None
    proven_by: str
    declined_at: datetime | None
    decline_reason: str = field(repr=False)
    is_link_locked: bool
    is_own: bool


@dataclass(frozen=True, slots=True)
class FindingView:
    code: str
    grade: str
    text: str = field(repr=False)
    count: int
    sop_instance_uid: str
    may_be_released: bool
    released_at: datetime | None
    released_by: str
    release_note: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DocumentView:
    id: int
    media_type: str
    status: str
    title: str = field(repr=False)
    size: int
    sha256: str
    study_instance_uid: str
    replaces: int | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class StudyView:
    study_instance_uid: str
    series_count: int
    instance_count: int


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    at: datetime
    action: str
    by: str
    agent: str
    detail: dict[str, Any]  # Any: JSON scalars of the audit trail


@dataclass(frozen=True, slots=True)
class Related:
    """Another transfer that this one follows, or that follows it."""

    id: UUID
    reference: str
    is_visible: bool


@dataclass(frozen=True, slots=True)
class TransferView:
    """`available_until` is when it closes or, where it was closed before its time, when it did."""

    id: UUID
    reference: str
    role: Role
    state: State
    reason: str
    revision: int
    sender: Party
    purpose: str
    urgency: str
    content: str
    message: str = field(repr=False)
    declared_instances: int | None
    instance_count: int
    byte_count: int
    created_at: datetime
    sent_at: datetime | None
    available_at: datetime | None
    available_until: datetime
    purge_at: datetime
    closed_at: datetime | None
    earlier: Related | None
    later: tuple[Related, ...]
    studies: tuple[StudyView, ...]
    documents: tuple[DocumentView, ...]
    findings: tuple[FindingView, ...]
    deliveries: tuple[DeliveryView, ...]
    timeline: tuple[TimelineEntry, ...]

    @property
    def follows(self) -> UUID | None:
        return self.earlier.id if self.earlier else None

    @property
    def follows_reference(self) -> str:
        return self.earlier.reference if self.earlier else ""

    @property
    def followers(self) -> tuple[UUID, ...]:
        return tuple(one.id for one in self.later if one.is_visible)
