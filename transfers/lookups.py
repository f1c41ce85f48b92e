"""Keyed hashes by which a live transfer is found: patient ID and accession, under the index key of its day.

They are made from the sealed records, so they can be made again for another day, or for the register.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from accounts.models import Organization
from transfers import errors, keys
from transfers.keys import holding, opened
from transfers.keys.opened import TransferKey, WrappedKey
from transfers.models import Document, Study, Transfer
from transfers.rules import identity
from transfers.rules.identity import Domains, Identity

Hash = Callable[..., bytes]


@dataclass(frozen=True, slots=True)
class Hashes:
    patient: bytes | None
    accession: bytes | None


def domains_of(organization: Organization) -> Domains:
    """The issuers of an organisation's identifiers that name none."""
    return identity.domains(
        address=organization.address,
        oid=organization.oid,
        patient_id_issuer=organization.patient_id_issuer,
        accession_issuer=organization.accession_issuer,
    )


def hashes_of(whose: Identity, hashed: Hash) -> Hashes:
    """Hash an identity, with a transfer's day (`TransferKey.hash`) or with the register's key."""
    patient, accession = identity.patient_parts(whose), identity.accession_parts(whose)
    return Hashes(hashed(*patient) if patient else None, hashed(*accession) if accession else None)


def email_hash(email: str) -> bytes:
    """How an address without an account is found again; it is all that stays of the address."""
    return keys.keyed_hash(keys.register_key(), "email", email.strip().lower())


def open_key(transfer: Transfer) -> TransferKey:
    """Open the key of a transfer; Gone where it has none any more."""
    return opened.open_wrapped(_wrapped(transfer), organization=str(transfer.sender_id), transfer=str(transfer.pk))


def rewrap(transfer: Transfer, *, purge_day: date) -> None:
    """Wrap a locked transfer's key for another day and make its look-up hashes anew; saves all of it."""
    holding.keep(purge_day)
    key, wrapped = opened.rewrap(
        _wrapped(transfer),
        organization=str(transfer.sender_id),
        transfer=str(transfer.pk),
        purge_day=purge_day,
    )
    transfer.wrapped_key, transfer.day_key_id = wrapped.wrapped, wrapped.day_key_id
    transfer.patient_hash = _rehash_studies(transfer, key)
    _rehash_documents(transfer, key)
    transfer.save(update_fields=["wrapped_key", "day_key_id", "patient_hash"])


def identities(transfer: Transfer, key: TransferKey) -> Iterator[tuple[Study, Identity | None]]:
    """Each study with whose it is, None where it was not validated yet."""
    default = domains_of(transfer.sender)
    for study in transfer.studies.order_by("id"):
        if study.record is None:
            yield study, None
        else:
            record = key.open("study", study.study_instance_uid, study.record)
            yield study, identity.of_study(json.loads(record), default=default)


def document_accession(document: Document, key: TransferKey, *, default: Domains) -> Identity | None:
    """The request that a document says it answers."""
    if document.record is None:
        return None
    record = json.loads(key.open("document", bytes(document.sha256).hex(), document.record))
    accession = str(record.get("accession") or "")
    issuer = str(record.get("issuer") or "") or default.accession
    return Identity("", default.patient, accession, issuer) if accession else None


def _rehash_studies(transfer: Transfer, key: TransferKey) -> bytes | None:
    first: bytes | None = None
    for study, whose in identities(transfer, key):
        hashes = hashes_of(whose, key.hash) if whose else Hashes(None, None)
        study.patient_hash, study.accession_hash = hashes.patient, hashes.accession
        study.save(update_fields=["patient_hash", "accession_hash"])
        first = first or hashes.patient
    return first


def _rehash_documents(transfer: Transfer, key: TransferKey) -> None:
    default = domains_of(transfer.sender)
    for document in transfer.documents.order_by("id"):
        whose = document_accession(document, key, default=default)
        document.accession_hash = hashes_of(whose, key.hash).accession if whose else None
        document.save(update_fields=["accession_hash"])


def _wrapped(transfer: Transfer) -> WrappedKey:
    if transfer.wrapped_key is None:
        raise errors.Gone
    return WrappedKey(bytes(transfer.wrapped_key), transfer.day_key_id)
