"""Validate a transfer: verify what is stored, describe it in the sandbox, grade it, and decide what follows.

Safe to repeat and safe beside pushes: records are written only for the digest that was read, and the decision
only if the transfer is what it was when it was looked at. What a push brings is finalised, and validated, later; after
any other change it is looked at again at once, which reads nothing twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from accounts.principals import system
from transfers import errors, lookups, transitions
from transfers.keys.opened import TransferKey
from transfers.models import Finding, Instance, Transfer
from transfers.rules import conformance
from transfers.rules.findings import Found
from transfers.rules.lifecycle import Event, State
from transfers.validating import gathering, reading, recording, rejecting
from transfers.validating.gathering import Gathered
from transfers.validating.recording import UNDER_VALIDATION, Recorder
from transfers.validating.rejecting import Rejection

# An instance is read, described and written with this many others; a transaction is as short.
BATCH: Final = 128
# A longer record is read from the instance again rather than opened whole.
MAX_KNOWN_RECORD: Final = 1 << 20

# Changed so often while it is looked at, it is left to the job's next attempt.
ATTEMPTS: Final = 5

WORKER: Final = system("worker")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to be written at the end of a run."""

    found: tuple[Found, ...]
    rejections: tuple[Rejection, ...]
    modalities: Mapping[str, set[str]]
    is_empty: bool


def validate(transfer_id: UUID) -> None:
    """Validate a transfer that was finalised, or a draft in place; anything else is left alone."""
    for _ in range(ATTEMPTS):
        transfer = Transfer.objects.select_related("sender").filter(pk=transfer_id).first()
        if transfer is None or transfer.state not in UNDER_VALIDATION:
            return
        with suppress(errors.Conflict, errors.PreconditionFailed):
            key = lookups.open_key(transfer)
            outcome = _examine(transfer, key=key)
            with transaction.atomic():
                _conclude(transfer, outcome, key=key)
            return
    raise errors.Unavailable("It changes all the time while it is looked at. It is looked at again later.")


def apply_rejections(transfer_id: UUID) -> None:
    """Let the rejection notes of a transfer take effect that was released by a person."""
    transfer = Transfer.objects.select_related("sender").filter(pk=transfer_id, state=State.AVAILABLE).first()
    if transfer is None:
        return
    rejections = rejecting.match(transfer, key=lookups.open_key(transfer))
    with transaction.atomic():
        rejecting.apply(transfer, rejections, who=WORKER)


def _examine(transfer: Transfer, *, key: TransferKey) -> Outcome:
    """Read what has not been read before, write its records, and look at the whole."""
    gathered = Gathered()
    recorder = Recorder(transfer, key, lookups.domains_of(transfer.sender))
    for batch in _batches(transfer):
        known = [instance for instance in batch if _is_known(instance)]
        gathered.add_known(known, key=key)
        verdicts = reading.judge_instances((one for one in batch if not _is_known(one)), key=key)
        recorder.write(verdicts)
        gathered.add(verdicts)
    documents = [reading.judge_document(one, key=key) for one in transfer.documents.select_related("pack")]
    rejections = rejecting.match(transfer, key=key)
    found = gathering.judge(transfer, gathered, document_codes=documents, key=key)
    missing = sum(rejection.missing for rejection in rejections)
    if missing:
        found.append(Found("rejection-unmatched", missing=missing))
    is_empty = not documents and not transfer.instances.exists()
    return Outcome(tuple(found), tuple(rejections), gathered.modalities(), is_empty)


def _batches(transfer: Transfer) -> Iterator[Sequence[Instance]]:
    """Instances in the order in which they lie in their packs."""
    ids = list(transfer.instances.order_by("pack_id", "ordinal").values_list("id", flat=True))
    for start in range(0, len(ids), BATCH):
        wanted = Instance.objects.filter(pk__in=ids[start : start + BATCH]).order_by("pack_id", "ordinal")
        yield list(wanted.select_related("pack", "study", "series").defer("frames"))


def _is_known(instance: Instance) -> bool:
    if instance.record is None or instance.validated_sha256 is None or len(instance.record) > MAX_KNOWN_RECORD:
        return False
    return bytes(instance.validated_sha256) == bytes(instance.sha256)


def _conclude(transfer: Transfer, outcome: Outcome, *, key: TransferKey) -> None:
    """Write findings and verdict together, or nothing if something has come since."""
    recording.lock(transfer)
    now = Transfer.objects.only("revision", "state").get(pk=transfer.pk)
    if (now.revision, now.state) != (transfer.revision, transfer.state):
        raise errors.PreconditionFailed
    _write_findings(transfer, outcome.found, key=key)
    _write_patient(transfer)
    recording.write_modalities(transfer, outcome.modalities, key=key)
    if transfer.state == State.DRAFT:
        return
    event = _event(outcome)
    transitions.apply(
        transfer.pk, event, who=WORKER, revision=transfer.revision, detail=_detail(transfer, outcome, event)
    )
    if event == Event.PASS:
        rejecting.apply(transfer, outcome.rejections, who=WORKER)


def _event(outcome: Outcome) -> Event:
    if outcome.is_empty:
        return Event.REJECT
    return Event.STOP if conformance.stops(one.code for one in outcome.found) else Event.PASS


def _write_findings(transfer: Transfer, found: Sequence[Found], *, key: TransferKey) -> None:
    transfer.findings.filter(released_at=None).delete()
    rows = []
    for one in found:
        row = Finding(
            transfer=transfer,
            instance=_only_instance(transfer, one),
            code=one.code,
            grade=one.kind.grade,
            count=one.count,
            created_at=Now(),
        )
        row.record = key.seal("finding", row.sealed_row, one.sentence.encode())
        rows.append(row)
    Finding.objects.bulk_create(rows)


def _only_instance(transfer: Transfer, found: Found) -> Instance | None:
    """The instance that a finding is about, if it is about one alone."""
    if found.count != 1 or (found.code not in conformance.INSTANCE_RULES and found.code not in _OF_STORED):
        return None
    return transfer.instances.filter(found_codes__regex=rf"(^| ){found.code}( |$)").only("sop_instance_uid").first()


_OF_STORED: Final = frozenset({"unreadable", "integrity", "malware"})


def _write_patient(transfer: Transfer) -> None:
    """The first study speaks for the transfer, which is of one patient."""
    first = transfer.studies.filter(patient_hash__isnull=False).order_by("id").first()
    Transfer.objects.filter(pk=transfer.pk).update(patient_hash=first.patient_hash if first else None)


def _detail(transfer: Transfer, outcome: Outcome, event: Event) -> dict[str, object]:
    """What the audit trail keeps: codes and counts; of a follow-up what it adds and what it replaces."""
    detail: dict[str, object] = {"findings": sorted({one.code for one in outcome.found})}
    if event == Event.PASS and transfer.follows_id:
        earlier = gathering.earlier_uids(transfer)
        uids = set(transfer.instances.values_list("sop_instance_uid", flat=True))
        detail |= {"adds": len(uids - earlier), "replaces": len(uids & earlier)}
    return detail
