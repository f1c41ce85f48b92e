"""Store one document: sealed while it arrives, acknowledged in one transaction.

Under the lock of the named transfer its state, key and expiry are read again, as at the end of a push.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now

from accounts import audit
from accounts.principals import Principal
from transfers import access, births, errors, lookups, receiving, transitions, vault
from transfers.access import Act
from transfers.births import Unborn
from transfers.documenting import following, inspecting
from transfers.documenting.inspecting import Description, Inspector
from transfers.formats import checksum
from transfers.keys.opened import TransferKey
from transfers.models import Document, Lease, Pack, Transfer
from transfers.receiving import Push
from transfers.rules import identity, lifecycle
from transfers.rules.lifecycle import GATHERING, Event, State
from transfers.vault import Stretch

_OVER: Final = "This transfer is over. Send the document as a new transfer."
_CLOSED: Final = "The transfer was closed while this was being received. Send it again."
_GIVEN_UP: Final = "This upload was silent for too long and was given up. Send it again."


@dataclass(frozen=True, slots=True)
class AttachedDocument:
    """`transfer_id` is the transfer that holds it: the one named, or its follow-up."""

    id: int
    transfer_id: UUID
    sha256: bytes
    size: int
    is_new: bool


def attach(
    who: Principal, *, transfer_id: UUID, chunks: Iterable[bytes], length: int | None, description: Description
) -> AttachedDocument:
    """Store a document with a transfer of the caller's.

    Raises UnsupportedMediaType, BadRequest where it is not what it says, QuotaExceeded, Gone, NotFound, Conflict where
    the transfer is closed meanwhile, Unavailable where the upload was given up.
    """
    inspecting.check(description, length)
    transfer = access.transfer_for(who, transfer_id, Act.DOCUMENT)
    _ensure_alive(transfer)
    unborn = following.conceive(transfer) if transfer.state == State.AVAILABLE else None
    push = _open_push(who, transfer, unborn)
    try:
        sealed = _seal(push, chunks, description)
        push.writer.close()
        return _commit(who, transfer_id, push, sealed, description, unborn)
    except BaseException:
        receiving.drop_push(push)
        raise


@dataclass(slots=True)
class _Sealed:
    """A document in its pack, not yet acknowledged."""

    size: int = 0
    crc32: int = 0
    sha256: bytes = b""
    stretch: Stretch = field(default_factory=lambda: Stretch(0, 0, 0))


def _ensure_alive(transfer: Transfer) -> None:
    """Raise Gone where its time has passed, though no sweep may have closed it yet."""
    has_lapsed = transfer.state != State.DRAFT and transfer.available_until <= births.database_now()
    if transfer.wrapped_key is None or State(transfer.state) in lifecycle.OVER or has_lapsed:
        raise errors.Gone(_OVER)


def _open_push(who: Principal, transfer: Transfer, unborn: Unborn | None) -> Push:
    if unborn is None:
        push = receiving.open_push(who, receiving.transfer_source(transfer.pk))
    else:
        birth = following.birth_of(unborn, transfer)
        push = receiving.open_push(who, following.source(transfer), birth=birth)
    if push is None:
        raise errors.Conflict(_CLOSED)
    return push


def _seal(push: Push, chunks: Iterable[bytes], description: Description) -> _Sealed:
    sealed, digest = _Sealed(), hashlib.sha256()
    inspect = Inspector(description.media_type)
    push.writer.begin(kind=vault.DOCUMENT)
    for chunk in chunks:
        inspect.feed(chunk)
        sealed.size += len(chunk)
        inspecting.ensure_size(sealed.size)
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


def _commit(
    who: Principal, transfer_id: UUID, push: Push, sealed: _Sealed, description: Description, unborn: Unborn | None
) -> AttachedDocument:
    try:
        with transaction.atomic():
            named = _locked(transfer_id, is_available=unborn is not None)
            if held := following.held(named, sealed.sha256):
                _close(push, held.transfer_id, committed_length=0)
                transitions.enqueue("packs.discard")
                return AttachedDocument(held.pk, held.transfer_id, sealed.sha256, sealed.size, is_new=False)
            transfer, key = following.make(who, named, unborn) if unborn else (named, lookups.open_key(named))
            _close(push, transfer.pk, committed_length=push.writer.durable_length)
            document = _insert(transfer, key, push, sealed, description)
            _count(who, transfer, document, sealed)
            _move_on(who, transfer)
    except IntegrityError:
        # What it names or hangs on, a document it replaces say, was destroyed this very moment.
        raise errors.Unavailable(_GIVEN_UP) from None
    return AttachedDocument(document.pk, transfer.pk, sealed.sha256, sealed.size, is_new=True)


def _locked(transfer_id: UUID, *, is_available: bool) -> Transfer:
    transfer = Transfer.objects.select_for_update(of=("self",)).select_related("sender").get(pk=transfer_id)
    _ensure_alive(transfer)
    if State(transfer.state) not in ((State.AVAILABLE,) if is_available else GATHERING):
        raise errors.Conflict(_CLOSED)
    return transfer


def _close(push: Push, transfer_id: UUID, *, committed_length: int) -> None:
    """End the upload; Unavailable where a sweep took it for dead, and its pack with it."""
    kept = Pack.objects.filter(pk=push.pack_id)
    if not kept.update(transfer_id=transfer_id, is_open=False, committed_length=committed_length):
        raise errors.Unavailable(_GIVEN_UP)
    Lease.objects.filter(pk=push.lease_id).delete()


def _count(who: Principal, transfer: Transfer, document: Document, sealed: _Sealed) -> None:
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


def _insert(transfer: Transfer, key: TransferKey, push: Push, sealed: _Sealed, description: Description) -> Document:
    default = lookups.domains_of(transfer.sender)
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
