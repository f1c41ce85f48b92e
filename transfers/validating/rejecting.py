"""Rejection notes (IHE Imaging Object Change Management): a sender takes back objects it has sent.

A note counts for what the same sender sent of the same patient and study. What it names is hidden in every
live transfer, and those who can see that transfer are told. The note itself travels like any instance.

References: IHE RAD TF-2 [RAD-66]; PS3.16 CID 7011.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from accounts import audit
from accounts.principals import Principal
from transfers import errors, lookups, transitions
from transfers.keys.opened import TransferKey
from transfers.models import Instance, Study, Transfer
from transfers.rules import identity
from transfers.rules.identity import Patient
from transfers.rules.keyobjects import KeyObjects
from transfers.rules.lifecycle import State
from transfers.validating import gathering


@dataclass(frozen=True, slots=True)
class Rejection:
    """What one note names: rows to hide, and how many of its references have none."""

    title: str
    instance_ids: tuple[int, ...]
    missing: int


def match(transfer: Transfer, *, key: TransferKey) -> list[Rejection]:
    """Find what the rejection notes of a transfer name among all that their sender has sent."""
    notes = [note for note in gathering.key_objects(transfer, key=key) if note.is_rejection]
    return [_match(transfer, note, key=key) for note in notes]


def apply(transfer: Transfer, rejections: Iterable[Rejection], *, who: Principal) -> None:
    """Hide what the notes name and have its recipients told; part of the caller's transaction."""
    for rejection in rejections:
        hidden = Instance.objects.filter(pk__in=rejection.instance_ids).exclude(rejected_by=rejection.title)
        affected = sorted(set(hidden.values_list("transfer_id", flat=True)))
        hidden.update(rejected_by=rejection.title)
        for transfer_id in affected:
            audit.record(
                who,
                "transfer.reject-instances",
                organization_id=transfer.sender_id,
                subject=f"transfer:{transfer_id}",
                detail={"title": rejection.title, "note_in": str(transfer.pk)},
            )
            transitions.enqueue("transfer.rejected-instances", str(transfer_id))


def _match(transfer: Transfer, note: KeyObjects, *, key: TransferKey) -> Rejection:
    studies = _studies_of_patient(transfer, {study for study, _ in note.references}, key=key)
    named = Instance.objects.filter(study__in=studies, sop_instance_uid__in={uid for _, uid in note.references})
    found = [
        (pk, uid)
        for pk, uid, study in named.values_list("id", "sop_instance_uid", "study__study_instance_uid")
        if (study, uid) in note.references
    ]
    missing = len(note.references) - len({uid for _, uid in found})
    return Rejection(note.title, tuple(pk for pk, _ in found), missing)


def _studies_of_patient(transfer: Transfer, study_uids: set[str], *, key: TransferKey) -> list[Study]:
    """The studies of these UIDs that the same sender sent and that are of a patient of this transfer."""
    own = [study for study in transfer.studies.all() if study.record is not None]
    patients = [_patient(study, key=key) for study in own]
    default_issuer = lookups.domains_of(transfer.sender).patient
    candidates = Study.objects.filter(
        study_instance_uid__in=study_uids,
        record__isnull=False,
        transfer__sender=transfer.sender_id,
        transfer__wrapped_key__isnull=False,
    ).exclude(transfer__state__in=[State.PURGED, State.REJECTED])
    keys: dict[UUID, TransferKey | None] = {transfer.pk: key}
    matching = []
    for study in candidates.select_related("transfer").order_by("id"):
        theirs = _key(study.transfer, keys)
        if theirs is not None and any(
            identity.is_same_patient(_patient(study, key=theirs), patient, default_issuer=default_issuer)
            for patient in patients
        ):
            matching.append(study)
    return matching


def _key(transfer: Transfer, keys: dict[UUID, TransferKey | None]) -> TransferKey | None:
    if transfer.pk not in keys:
        try:
            keys[transfer.pk] = lookups.open_key(transfer)
        except errors.Gone:
            keys[transfer.pk] = None
    return keys[transfer.pk]


def _patient(study: Study, *, key: TransferKey) -> Patient:
    record = json.loads(key.open("study", study.study_instance_uid, study.record or b""))
    whose = identity.of_study(record, default=identity.Domains("", ""))
    return Patient(whose.patient_id, whose.issuer, *identity.name_and_birth_date(record))
