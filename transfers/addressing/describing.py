"""What a caller may know of one transfer.

Its sender knows all of it, but a key of the sender without the right to read nothing that somebody typed or that was
read from an image. A recipient knows its own deliveries and no other recipient; what the transfer holds
only while it may be pulled; and of one that waits for acceptance who sent it, why and until when.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q, Sum

from accounts.models import Department
from accounts.principals import Principal
from transfers import access, births, errors, lookups
from transfers.access import Act
from transfers.access.seeing import is_sender, may_read_sent, recipient_q
from transfers.addressing import history, relating
from transfers.addressing.views import (
    Counts,
    DeliveryView,
    DocumentView,
    FindingView,
    Party,
    Role,
    StudyView,
    TransferView,
)
from transfers.keys.opened import TransferKey
from transfers.models import Delivery, Disclosure, Document, Finding, PullRecord, Tombstone, Transfer
from transfers.rules import conformance
from transfers.rules.lifecycle import OVER, Access, Reason, State


def describe(who: Principal, transfer_id: UUID) -> TransferView:
    """The transfer as this caller may see it; NotFound where there is none for it."""
    access.transfer_for(who, transfer_id, Act.READ)
    rows = Transfer.objects.select_related("sender", "sender_department__organization", "follows")
    transfer = rows.get(pk=transfer_id)
    role = role_of(who, transfer)
    state, reason = state_now(transfer, births.database_now())
    deliveries = _deliveries(who, transfer, role)
    is_open = role == "sender" or (
        state == State.AVAILABLE and any(delivery.access == Access.OPEN for delivery in deliveries)
    )
    key = lookups.open_key(transfer) if is_open and transfer.wrapped_key is not None else None
    # Why it declined a recipient has typed itself, and may read even though it can open nothing any more.
    is_declined = any(one.decline_record is not None for one in deliveries)
    answer_key = key or (_key_for_answers(transfer) if is_declined else None)
    # What was typed, and what findings quote. Who was addressed, and their answers, a sender's key may always know.
    content_key = key if role == "recipient" or may_read_sent(who, transfer_id) else None
    return TransferView(
        id=transfer.pk,
        reference=transfer.reference,
        role=role,
        state=state,
        reason=reasons_of([transfer]).get(transfer.pk, reason),
        revision=transfer.revision,
        sender=_sender(transfer),
        purpose=transfer.purpose,
        urgency=transfer.urgency,
        content=transfer.content,
        message=_opened(content_key, "message", "", transfer.message_record),
        declared_instances=transfer.declared_instances if is_open else None,
        # How many there were a recipient knows of what it could once open; it stays when the rest is destroyed.
        instance_count=transfer.instance_count if is_open or any(one.was_open for one in deliveries) else 0,
        byte_count=transfer.byte_count if is_open else 0,
        created_at=transfer.created_at,
        sent_at=transfer.sent_at,
        available_at=transfer.available_at,
        available_until=end_of(transfer, state),
        purge_at=transfer.purge_at,
        closed_at=transfer.closed_at,
        earlier=relating.earlier_of(who, transfer) if is_open else None,
        later=relating.later_of(who, transfer) if is_open else (),
        studies=_studies(transfer) if is_open else (),
        documents=_documents(transfer, content_key) if is_open else (),
        findings=_findings(transfer, content_key, role, deliveries) if is_open else (),
        deliveries=_delivery_views(who, deliveries, answer_key, role, state=state),
        timeline=history.timeline(transfer, role, deliveries),
    )


def _key_for_answers(transfer: Transfer) -> TransferKey | None:
    """The key of a transfer that may be over; None where it is destroyed, for without an answer there is a page too."""
    with suppress(errors.Gone):
        return lookups.open_key(transfer) if transfer.wrapped_key is not None else None
    return None


def role_of(who: Principal, transfer: Transfer) -> Role:
    """On which side the caller stands; on both, as its sender."""
    return "sender" if is_sender(who, transfer.pk) else "recipient"


def state_now(transfer: Transfer, now: datetime) -> tuple[State, str]:
    """State and reason by the clock: a transfer whose time has passed is closed before any sweep says so."""
    state = State(transfer.state)
    if state not in OVER and state != State.DRAFT and transfer.available_until <= now:
        return State.CLOSED, Reason.LAPSED
    return state, transfer.reason


def end_of(transfer: Transfer, state: State) -> datetime:
    """Until when it can be opened, or could be: what was withdrawn or fetched by all was closed before its time."""
    closed_at = transfer.closed_at
    return min(transfer.available_until, closed_at) if state in OVER and closed_at else transfer.available_until


def access_now(access: str, state: State) -> str:
    """What a recipient's access is worth in a state: where a transfer is over, nobody has any."""
    return "ended" if state in OVER and access in (Access.OPEN, Access.WAITING) else access


def reasons_of(transfers: Iterable[Transfer]) -> dict[UUID, str]:
    """Why those among them ended that are purged: their tombstones say it."""
    purged = [transfer.pk for transfer in transfers if transfer.state == State.PURGED]
    return dict(Tombstone.objects.filter(pk__in=purged).values_list("transfer_id", "reason")) if purged else {}


def _deliveries(who: Principal, transfer: Transfer, role: Role) -> list[Delivery]:
    rows = transfer.deliveries.select_related("organization", "department__organization", "user").order_by("id")
    return list(rows if role == "sender" else rows.filter(recipient_q(who)).exclude(access=Access.REVOKED))


def _sender(transfer: Transfer) -> Party:
    department = transfer.sender_department
    if department is not None:
        name = f"{transfer.sender.name}, {department.name}"
        address = f"{transfer.sender.address}.{department.slug}"
        return Party("department", name, address, _phone_of(department))
    return Party("organization", transfer.sender.name, transfer.sender.address, transfer.sender.desk_phone)


def _phone_of(department: Department) -> str:
    """A department without a telephone of its own is called on its organisation's."""
    return department.desk_phone or department.organization.desk_phone


def _recipient(delivery: Delivery, key: TransferKey | None) -> Party:
    if delivery.department is not None:
        department = delivery.department
        name = f"{department.organization.name}, {department.name}"
        return Party("department", name, department.address, _phone_of(department))
    if delivery.organization is not None:
        organization = delivery.organization
        return Party("organization", organization.name, organization.address, organization.desk_phone)
    if delivery.user is not None:
        return Party("user", delivery.user.get_full_name(), delivery.user.email)
    email = _opened(key, "email", bytes(delivery.email_hash or b"").hex(), delivery.email_record)
    return Party("email", email, email)


def _delivery_views(
    who: Principal, rows: list[Delivery], key: TransferKey | None, role: Role, *, state: State
) -> tuple[DeliveryView, ...]:
    counts = counts_of(rows)
    has_declined = any(row.access == Access.DECLINED for row in rows)
    declined = history.declined_at(rows[0].transfer) if has_declined else {}
    ids = [row.pk for row in rows]
    own = set(Delivery.objects.filter(recipient_q(who), pk__in=ids).values_list("pk", flat=True))
    locked = set(
        Delivery.objects.filter(pk__in=ids, grants__locked_at__isnull=False, grants__revoked_at=None).values_list(
            "pk", flat=True
        )
    )
    return tuple(
        DeliveryView(
            id=row.pk,
            recipient=_recipient(row, key),
            access=row.access,
            access_now=access_now(row.access, state),
            notice=row.notice,
            progress=row.progress,
            counts=counts.get(row.pk, Counts()),
            opened_at=row.opened_at,
            pulled_at=row.pulled_at,
            proven_at=row.proven_at,
            proven_by=row.proven_by if role == "sender" else "",
            declined_at=declined.get(row.pk),
            decline_reason=_opened(key, "decline", str(row.pk), row.decline_record),
            is_link_locked=row.pk in locked,
            is_own=row.pk in own,
        )
        for row in rows
    )


def counts_of(deliveries: Iterable[Delivery]) -> dict[int, Counts]:
    """What was answered to each delivery, by number of instances and documents.

    Of a transfer that was destroyed the register of disclosures knows the instances, and nobody the rest.
    """
    deliveries = list(deliveries)
    whole = Q(kind__in=["pulled", "proven"])
    rows = (
        PullRecord.objects.filter(delivery__in=[delivery.pk for delivery in deliveries])
        .values("delivery_id")
        .annotate(
            pulled=Count("instance_id", distinct=True, filter=whole),
            viewed=Count("instance_id", distinct=True, filter=Q(kind="viewed")),
            documents=Count("document_id", distinct=True, filter=whole),
        )
    )
    counts = {row["delivery_id"]: Counts(row["pulled"], row["viewed"], row["documents"]) for row in rows}
    return _registered_counts(deliveries) | counts


def _registered_counts(deliveries: list[Delivery]) -> dict[int, Counts]:
    rows = (
        Disclosure.objects.filter(transfer_id__in={delivery.transfer_id for delivery in deliveries})
        .values("transfer_id", "recipient")
        .annotate(pulled=Sum("pulled_instances"))
    )
    by_name = {(row["transfer_id"], row["recipient"]): Counts(row["pulled"]) for row in rows}
    named = {delivery.pk: (delivery.transfer_id, delivery.register_name) for delivery in deliveries}
    return {pk: by_name[name] for pk, name in named.items() if name in by_name}


def _studies(transfer: Transfer) -> tuple[StudyView, ...]:
    rows = transfer.studies.order_by("id")
    return tuple(StudyView(row.study_instance_uid, row.series_count, row.instance_count) for row in rows)


def _documents(transfer: Transfer, key: TransferKey | None) -> tuple[DocumentView, ...]:
    return tuple(_document(row, key) for row in transfer.documents.order_by("id"))


def _document(row: Document, key: TransferKey | None) -> DocumentView:
    digest = bytes(row.sha256).hex()
    said = json.loads(_opened(key, "document", digest, row.record) or "{}")
    return DocumentView(
        id=row.pk,
        media_type=row.media_type,
        status=row.status,
        title=said.get("title", ""),
        size=row.size,
        sha256=digest,
        study_instance_uid=row.study_instance_uid,
        replaces=row.replaces_id,
        received_at=row.received_at,
    )


def _findings(
    transfer: Transfer, key: TransferKey | None, role: Role, deliveries: list[Delivery]
) -> tuple[FindingView, ...]:
    """What everybody may know, and what is for this recipient alone: of that a sender is told nothing."""
    own = Q(delivery=None) if role == "sender" else Q(delivery=None) | Q(delivery__in=[one.pk for one in deliveries])
    rows = transfer.findings.filter(own).select_related("instance").order_by("id")
    return tuple(_finding(row, key, role) for row in rows)


def _finding(row: Finding, key: TransferKey | None, role: Role) -> FindingView:
    """Who let it go all the same, and with what words, is the sender's own matter, as in the timeline."""
    bound, is_sender = row.sealed_row, role == "sender"
    return FindingView(
        code=row.code,
        grade=row.grade,
        text=_opened(key, "finding", bound, row.record),
        count=row.count,
        sop_instance_uid=row.instance.sop_instance_uid if row.instance else "",
        may_be_released=row.grade == "stop" and row.released_at is None and conformance.may_be_released([row.code]),
        released_at=row.released_at,
        released_by=row.released_by if is_sender else "",
        release_note=_opened(key, "release", bound, row.release_record) if is_sender else "",
    )


def _opened(key: TransferKey | None, kind: str, row: str, record: bytes | memoryview | None) -> str:
    """A sealed text; nothing where it is absent, or its key is gone or not for this caller."""
    return "" if key is None or record is None else key.open(kind, row, record).decode()
