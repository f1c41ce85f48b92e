"""Documents: a report or another file that travels with a study or alone, sealed like an instance.

A document for a transfer that is already available becomes a follow-up to the same recipients, for an available
transfer never changes. The same bytes twice are one document.
"""

import codecs
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from accounts import audit, credentials
from accounts.principals import Principal
from transfers import access, births, errors, lookups, receiving, transitions, vault
from transfers.access import Act
from transfers.formats import checksum
from transfers.models import Delivery, Document, Grant, Lease, Pack, Transfer
from transfers.receiving import Push
from transfers.rules import identity, lifecycle
from transfers.rules.lifecycle import GATHERING, Access, Event, State
from transfers.vault import Stretch

STATUSES: Final = ("preliminary", "final", "amended")
# What a document of each type must begin with; None: it must be text.
MEDIA_TYPES: Final[dict[str, bytes | None]] = {
    "application/pdf": b"%PDF-",
    "text/plain": None,
    "text/xml": None,
    "application/xml": None,
    "application/hl7-v3+xml": None,
}
MAX_BYTES: Final = 256 << 20


@dataclass(frozen=True, slots=True)
class AttachedDocument:
    """`transfer_id` is the transfer that holds it: the one named, or its follow-up."""

    id: int
    transfer_id: UUID
    sha256: bytes
    size: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class Description:
    """What the sender says of a document; `issuer` qualifies the accession number."""

    media_type: str
    status: str = "final"
    title: str = ""
    study_instance_uid: str = ""
    accession_number: str = ""
    issuer: str = ""
    replaces: int | None = None


def attach(
    who: Principal, *, transfer_id: UUID, chunks: Iterable[bytes], length: int | None, description: Description
) -> AttachedDocument:
    """Store a document with a transfer of the caller's.

    Raises UnsupportedMediaType, BadRequest where it is not what it says, QuotaExceeded, Gone, NotFound.
    """
    _check(description, length)
    transfer = access.transfer_for(who, transfer_id, Act.DOCUMENT)
    if transfer.wrapped_key is None or State(transfer.state) in lifecycle.OVER or _is_overdue(transfer):
        raise errors.Gone("This transfer is over. Send the document as a new transfer.")
    if transfer.state == State.AVAILABLE:
        transfer = _follow_up(who, transfer)
    push = receiving.open_push(who, receiving.transfer_source(transfer.pk))
    if push is None:
        raise errors.Conflict("The transfer was closed while this was being received. Send it again.")
    try:
        sealed = _seal(push, chunks, description)
        return _commit(who, push, sealed, description)
    except BaseException:
        receiving.drop_push(push)
        raise


def _is_overdue(transfer: Transfer) -> bool:
    """Its time has passed, though no sweep has closed it yet."""
    sent = Transfer.objects.filter(pk=transfer.pk).exclude(state=State.DRAFT)
    return sent.filter(available_until__lte=Now()).exists()


@dataclass(slots=True)
class _Sealed:
    """A document in its pack, not yet acknowledged."""

    size: int = 0
    crc32: int = 0
    sha256: bytes = b""
    stretch: Stretch = field(default_factory=lambda: Stretch(0, 0, 0))


def _check(description: Description, length: int | None) -> None:
    if description.media_type not in MEDIA_TYPES:
        raise errors.UnsupportedMediaType(
            "Documents are PDF, plain text or CDA (XML). Push structured reports as DICOM instances."
        )
    if description.status not in STATUSES:
        raise errors.BadRequest(f"The status of a document is one of: {', '.join(STATUSES)}.")
    if length is not None and length > MAX_BYTES:
        raise errors.QuotaExceeded("A document may have at most 256 MiB.")


def _seal(push: Push, chunks: Iterable[bytes], description: Description) -> _Sealed:
    sealed, digest = _Sealed(), hashlib.sha256()
    inspect = _Inspector(MEDIA_TYPES[description.media_type])
    push.writer.begin(kind=vault.DOCUMENT)
    for chunk in chunks:
        inspect.feed(chunk)
        sealed.size += len(chunk)
        if sealed.size > MAX_BYTES:
            raise errors.QuotaExceeded("A document may have at most 256 MiB.")
        digest.update(chunk)
        sealed.crc32 = checksum.crc32(chunk, sealed.crc32)
        push.writer.write(chunk)
        push.beat(len(chunk))
    inspect.finish()
    sealed.stretch = push.writer.end()
    sealed.sha256 = digest.digest()
    receiving.ensure_room_for(push.birth.sender_id, bytes_more=sealed.size, urgent=push.birth.is_urgent)
    push.writer.sync()
    return sealed


class _Inspector:
    """A document must be what its media type says; what is inside it is the validator's matter."""

    def __init__(self, magic: bytes | None) -> None:
        self._magic = magic
        self._head = b""
        self._text = codecs.getincrementaldecoder("utf-8")() if magic is None else None

    def feed(self, chunk: bytes) -> None:
        if len(self._head) < 16:
            self._head += bytes(chunk[:16])
        if self._text is not None:
            try:
                text = self._text.decode(chunk)
            except UnicodeDecodeError:
                raise errors.BadRequest("The document is not UTF-8 text.") from None
            if "\0" in text:
                raise errors.BadRequest("The document is not text: it holds NUL characters.")

    def finish(self) -> None:
        if not self._head:
            raise errors.BadRequest("The document is empty.")
        if self._magic is not None and not self._head.startswith(self._magic):
            raise errors.BadRequest("The document is not of the type it is said to be.")
        if self._text is not None:
            try:
                self._text.decode(b"", final=True)
            except UnicodeDecodeError:
                raise errors.BadRequest("The document is cut off within a character.") from None


@transaction.atomic
def _commit(who: Principal, push: Push, sealed: _Sealed, description: Description) -> AttachedDocument:
    transfer = Transfer.objects.select_for_update().select_related("sender").get(pk=push.birth.transfer_id)
    if State(transfer.state) not in GATHERING:
        raise errors.Conflict("The transfer was closed meanwhile. Send the document again.")
    held = transfer.documents.filter(sha256=sealed.sha256).first()
    Pack.objects.filter(pk=push.pack_id).update(
        is_open=False, committed_length=0 if held else push.writer.durable_length
    )
    Lease.objects.filter(pk=push.lease_id).delete()
    push.writer.close()
    if held is not None:
        transitions.enqueue("packs.discard")
        return AttachedDocument(held.pk, transfer.pk, sealed.sha256, sealed.size, is_new=False)
    document = _insert(transfer, push, sealed, description)
    Transfer.objects.filter(pk=transfer.pk).update(
        stored_bytes=F("stored_bytes") + sealed.stretch.sealed_length, revision=F("revision") + 1, last_byte_at=Now()
    )
    audit.record(
        who,
        "document.attach",
        organization_id=transfer.sender_id,
        subject=f"transfer:{transfer.pk}",
        detail={"document": document.pk, "sha256": sealed.sha256.hex(), "bytes": sealed.size},
    )
    _move_on(who, transfer)
    return AttachedDocument(document.pk, transfer.pk, sealed.sha256, sealed.size, is_new=True)


def _insert(transfer: Transfer, push: Push, sealed: _Sealed, description: Description) -> Document:
    key, default = push.birth.key, lookups.domains_of(transfer.sender)
    record = {
        "title": description.title,
        "accession": description.accession_number,
        "issuer": description.issuer,
    }
    whose = identity.Identity(
        "", default.patient, description.accession_number, description.issuer or default.accession
    )
    return Document.objects.create(
        transfer=transfer,
        study_instance_uid=description.study_instance_uid,
        accession_hash=lookups.hashes_of(whose, key.hash).accession if description.accession_number else None,
        media_type=description.media_type,
        status=description.status,
        replaces=_replaced(transfer, description.replaces),
        record=key.seal("document", sealed.sha256.hex(), json.dumps(record).encode()),
        pack_id=push.pack_id,
        ordinal=sealed.stretch.ordinal,
        offset=sealed.stretch.offset,
        sealed_length=sealed.stretch.sealed_length,
        size=sealed.size,
        sha256=sealed.sha256,
        crc32=sealed.crc32,
        received_at=Now(),
    )


def _replaced(transfer: Transfer, document_id: int | None) -> Document | None:
    """An earlier document of the same sender; another's is refused like one that never was."""
    if document_id is None:
        return None
    found = Document.objects.filter(pk=document_id, transfer__sender_id=transfer.sender_id).first()
    if found is None:
        raise errors.BadRequest("There is no such document of yours to replace.")
    return found


def _move_on(who: Principal, transfer: Transfer) -> None:
    """A document is something new: what was being validated or held is looked at again."""
    if transfer.state in (State.VALIDATING, State.HELD):
        transitions.apply(transfer.pk, Event.NEW_DIGEST, who=who)
    if transfer.state == State.DRAFT:
        transitions.enqueue("transfer.check", str(transfer.pk))
        return
    if transfer.state != State.RECEIVING or transfer.instance_count == 0:
        Transfer.objects.filter(pk=transfer.pk).update(finalise_requested=True)


@transaction.atomic
def _follow_up(who: Principal, earlier: Transfer) -> Transfer:
    """A transfer of its own, to the same recipients, that says what it follows."""
    now = births.database_now()
    transfer, _ = births.insert(
        who,
        sender_id=earlier.sender_id,
        sender_department_id=earlier.sender_department_id,
        state=State.RECEIVING,
        until=max(earlier.available_until, now),
        grace=earlier.grace,
        urgency=earlier.urgency,
        purpose=earlier.purpose,
        follows=earlier,
        sent_at=now,
    )
    _copy_deliveries(earlier, transfer)
    audit.record(
        who,
        "transfer.follow-up",
        organization_id=earlier.sender_id,
        subject=f"transfer:{transfer.pk}",
        detail={"follows": str(earlier.pk)},
    )
    return transfer


def _copy_deliveries(earlier: Transfer, transfer: Transfer) -> None:
    old, new = lookups.open_key(earlier), lookups.open_key(transfer)
    for delivery in earlier.deliveries.filter(access__in=[Access.WAITING, Access.OPEN]).order_by("id"):
        email = None
        if delivery.email_record is not None and delivery.email_hash is not None:
            row = bytes(delivery.email_hash).hex()
            email = new.seal("email", row, old.open("email", row, delivery.email_record))
        copied = Delivery.objects.create(
            transfer=transfer,
            organization_id=delivery.organization_id,
            department_id=delivery.department_id,
            user_id=delivery.user_id,
            email_record=email,
            email_hash=delivery.email_hash,
            access=delivery.access,
            created_at=Now(),
        )
        _copy_grant(delivery, copied)


def _copy_grant(delivery: Delivery, copied: Delivery) -> None:
    """A link of its own for the follow-up, opened by the PIN that its reader knows."""
    grant = delivery.grants.filter(revoked_at=None).order_by("id").first()
    if grant is None:
        return
    Grant.objects.create(
        delivery=copied,
        token_digest=credentials.keyed_digest("link", credentials.new_link_token()),
        factor=grant.factor,
        pin_digest=grant.pin_digest,
        verbs=grant.verbs,
        max_pulls=grant.max_pulls,
        created_at=Now(),
    )
