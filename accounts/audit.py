"""The audit trail: `record` writes a row in the caller's transaction, `seal` chains rows afterwards.

A chain head in the push transaction would serialise every push, so rows are written unchained and one chainer
gathers them per organisation into segments: digest over the previous digest and each row in order, signed with
Ed25519. `verify` finds an edit, a removal, an insertion, a change of order, and a cut tail (against the
checkpoints that are kept beside the keys).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.module_loading import import_string

from accounts import statements
from accounts.models import AuditEvent, AuditSegment
from accounts.principals import Principal
from accounts.statements import Statement

SEGMENT_EVENTS = 10_000

Detail = Mapping[str, Any]  # Any: JSON scalars and lists of them

_INSERT = """
    INSERT INTO accounts_auditevent (at, organization_id, action, principal, agent, subject, detail)
    VALUES (clock_timestamp(), %s, %s, %s, %s, %s, %s)
"""


def record(
    who: Principal,
    action: str,
    *,
    organization_id: int | None,
    subject: str = "",
    agent: str = "",
    detail: Detail | None = None,
) -> None:
    """Write one event in the caller's transaction.

    `action` is a plain verb phrase such as `transfer.withdraw`; `agent` names the program that performed what
    the principal asked for. Detail holds ids, counts, digests and times, never patient data.
    """
    event = statement(who, action, organization_id=organization_id, subject=subject, agent=agent, detail=detail)
    statements.send(*event)


def statement(
    who: Principal,
    action: str,
    *,
    organization_id: int | None,
    subject: str = "",
    agent: str = "",
    detail: Detail | None = None,
) -> Statement:
    """What `record` executes, for a caller that sends several statements at once."""
    return _INSERT, [organization_id, action, who.ident, agent or who.on_behalf_of, subject, json.dumps(detail or {})]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that verification found wrong; organization_id is None for the exchange's own trail."""

    organization_id: int | None
    segment: int
    sentence: str


def seal() -> int:
    """Chain every committed event that is not in a segment yet; returns how many were sealed.

    One chainer at a time: an advisory lock makes a second one return at once.
    """
    sealed = 0
    with transaction.atomic():
        if not _lock_chainer():
            return 0
        organizations = (
            AuditEvent.objects.filter(segment=None).values_list("organization_id", flat=True).distinct().order_by()
        )
        for organization_id in list(organizations):
            sealed += _seal_organization(organization_id)
    return sealed


def verify() -> Iterator[Fault]:
    """Every fault in every chain, oldest first."""
    checkpoints = _checkpoints()
    organizations = list(
        AuditSegment.objects.values_list("organization_id", flat=True).distinct().order_by("organization_id")
    )
    for organization_id in {*organizations, *checkpoints}:
        yield from _verify_chain(organization_id, checkpoints.get(organization_id))


def _seal_organization(organization_id: int | None) -> int:
    events = list(AuditEvent.objects.filter(_of(organization_id), segment=None).order_by("id")[:SEGMENT_EVENTS])
    last = AuditSegment.objects.filter(_of(organization_id)).order_by("-number").first()
    previous = bytes(last.digest) if last else bytes(32)
    number = last.number + 1 if last else 1
    digest = _segment_digest(organization_id, number, previous, events)
    segment = AuditSegment.objects.create(
        organization_id=organization_id,
        number=number,
        event_count=len(events),
        previous_digest=previous,
        digest=digest,
        signature=_signing_key().sign(digest),
        sealed_at=timezone.now(),
    )
    for position, event in enumerate(events):
        event.segment, event.position = segment, position
    AuditEvent.objects.bulk_update(events, ["segment", "position"], batch_size=1000)
    _keep_checkpoint(organization_id, number, digest)
    return len(events)


def _segment_digest(organization_id: int | None, number: int, previous: bytes, events: Sequence[AuditEvent]) -> bytes:
    digest = hashlib.sha256(previous)
    digest.update(json.dumps([organization_id, number, len(events)]).encode())
    for event in events:
        digest.update(hashlib.sha256(_canonical(event)).digest())
    return digest.digest()


def _canonical(event: AuditEvent) -> bytes:
    fields = [
        event.pk,
        event.at.isoformat(),
        event.organization_id,
        event.action,
        event.principal,
        event.agent,
        event.subject,
        event.detail,
    ]
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def _verify_chain(organization_id: int | None, checkpoint: tuple[int, str] | None) -> Iterator[Fault]:
    public = _signing_key().public_key()
    previous: bytes | None = None
    number = 0
    for segment in AuditSegment.objects.filter(_of(organization_id)).order_by("number").iterator():
        if previous is not None and (bytes(segment.previous_digest) != previous or segment.number != number + 1):
            yield Fault(organization_id, segment.number, "a segment before this one is missing or changed")
        events = list(segment.events.order_by("position"))
        expected = _segment_digest(organization_id, segment.number, bytes(segment.previous_digest), events)
        if len(events) != segment.event_count or expected != bytes(segment.digest):
            yield Fault(organization_id, segment.number, "an event was changed, added, moved or removed")
        try:
            public.verify(bytes(segment.signature), bytes(segment.digest))
        except InvalidSignature:
            yield Fault(organization_id, segment.number, "the signature does not match")
        previous, number = bytes(segment.digest), segment.number
        if checkpoint and checkpoint[0] == number and checkpoint[1] != previous.hex():
            yield Fault(organization_id, number, "the segment differs from its checkpoint beside the keys")
    if checkpoint and checkpoint[0] > number:
        yield Fault(organization_id, checkpoint[0], "the end of the trail was cut off")


def _of(organization_id: int | None) -> Q:
    return Q(organization__isnull=True) if organization_id is None else Q(organization_id=organization_id)


def _lock_chainer() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('waystation.audit'))")
        return bool(cursor.fetchone()[0])


def _signing_key() -> Ed25519PrivateKey:
    seed = cast("bytes", import_string(settings.AUDIT_SEED_PROVIDER)())
    return Ed25519PrivateKey.from_private_bytes(seed)


def _keep_checkpoint(organization_id: int | None, number: int, digest: bytes) -> None:
    import_string(settings.AUDIT_CHECKPOINTS)().keep(organization_id, number, digest.hex())


def _checkpoints() -> dict[int | None, tuple[int, str]]:
    newest: dict[int | None, tuple[int, str]] = import_string(settings.AUDIT_CHECKPOINTS)().newest()
    return newest
