"""What can be said of a transfer as a whole, once its instances have been read."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from transfers import declarations, lookups
from transfers.keys.opened import TransferKey
from transfers.models import Instance, Transfer
from transfers.rules import conformance, identity, keyobjects
from transfers.rules.conformance import Promise, SeriesFacts
from transfers.rules.findings import Found
from transfers.rules.identity import Patient
from transfers.rules.keyobjects import KeyObjects
from transfers.validating import scanning
from transfers.validating.reading import Verdict

_MODALITY, _SERIES_NUMBER, _INSTANCE_NUMBER = "00080060", "00200011", "00200013"


@dataclass(slots=True)
class Gathered:
    """Grows with every instance: whose it is, and how its series count."""

    patients: dict[Patient, None] = field(default_factory=dict)
    series: dict[int, SeriesFacts] = field(default_factory=dict)
    numbers: dict[int, set[int]] = field(default_factory=dict)

    def add(self, verdicts: Iterable[Verdict]) -> None:
        for verdict in verdicts:
            if description := verdict.description:
                facts = description.facts
                self._add(
                    verdict.instance, description.patient, facts.modality, facts.series_number, facts.instance_number
                )

    def add_known(self, instances: Iterable[Instance], *, key: TransferKey) -> None:
        """Count instances whose verdict is used again; what they say is in their record."""
        for instance in instances:
            record = _record(instance, key=key)
            whose = identity.of_study(record, default=identity.Domains("", ""))
            patient = Patient(whose.patient_id, whose.issuer, *identity.name_and_birth_date(record))
            self._add(
                instance,
                patient,
                identity.text(record, _MODALITY),
                _number(identity.text(record, _SERIES_NUMBER)),
                _number(identity.text(record, _INSTANCE_NUMBER)),
            )

    def _add(
        self, instance: Instance, patient: Patient, modality: str, series_number: int | None, number: int | None
    ) -> None:
        self.patients[patient] = None
        study = instance.study.study_instance_uid
        self.series.setdefault(instance.series_id, SeriesFacts(study, modality, series_number, ()))
        if number is not None:
            self.numbers.setdefault(instance.series_id, set()).add(number)

    def modalities(self) -> dict[str, set[str]]:
        """Modalities by Study Instance UID."""
        found: dict[str, set[str]] = {}
        for one in self.series.values():
            found.setdefault(one.study_instance_uid, set()).update({one.modality} - {""})
        return found

    def found(self, *, default_issuer: str) -> list[Found]:
        counted = [
            SeriesFacts(one.study_instance_uid, one.modality, one.number, tuple(self.numbers.get(pk, ())))
            for pk, one in self.series.items()
        ]
        return [
            *conformance.of_patients(list(self.patients), default_issuer=default_issuer),
            *conformance.of_series(counted),
        ]


def judge(transfer: Transfer, gathered: Gathered, *, document_codes: Iterable[str], key: TransferKey) -> list[Found]:
    """Every finding of a transfer, rejection notes apart."""
    codes = Counter(code for code in document_codes if code)
    for found_codes in transfer.instances.values_list("found_codes", flat=True):
        codes.update(found_codes.split())
    return [
        *(Found(code, count=count) for code, count in codes.items()),
        *gathered.found(default_issuer=lookups.domains_of(transfer.sender).patient),
        *conformance.of_promise(_promise(transfer, key_objects(transfer, key=key))),
        *([] if scanning.is_set_up() else [Found("unscanned")]),
    ]


def key_objects(transfer: Transfer, *, key: TransferKey) -> list[KeyObjects]:
    """The Key Object Selections among the instances, as their records say."""
    documents = transfer.instances.filter(sop_class_uid=keyobjects.SOP_CLASS, record__isnull=False).order_by("id")
    return [keyobjects.of_record(_record(one, key=key)) for one in documents.only("sop_instance_uid", "record")]


def earlier_uids(transfer: Transfer) -> set[str]:
    """SOP Instance UIDs of the transfers that this one follows: what they hold was not sent again."""
    uids: set[str] = set()
    seen: set[UUID] = {transfer.pk}
    earlier = transfer.follows
    while earlier is not None and earlier.pk not in seen:
        seen.add(earlier.pk)
        uids.update(earlier.instances.values_list("sop_instance_uid", flat=True))
        earlier = earlier.follows
    return uids


def _promise(transfer: Transfer, documents: list[KeyObjects]) -> Promise:
    here = set(transfer.instances.values_list("sop_instance_uid", flat=True))
    listed = {uid for document in documents if document.is_manifest for _, uid in document.references}
    absent = listed - here
    if absent and transfer.follows_id:
        absent -= earlier_uids(transfer)
    committed = declarations.compare(transfer.pk)
    return Promise(
        present=len(here),
        declared=transfer.declared_instances,
        committed=committed.listed,
        committed_absent=committed.absent,
        uncommitted=committed.unlisted,
        finalised_by=transfer.finalised_by,
        listed=len(listed),
        absent=len(absent),
    )


def _record(instance: Instance, *, key: TransferKey) -> Mapping[str, Any]:  # Any: DICOM JSON
    # Not strict: a NUL stands where the base of bulk data URIs goes (transfers/formats/dicomjson.py).
    opened = key.open("instance", instance.sop_instance_uid, instance.record or b"")
    record: Mapping[str, Any] = json.loads(opened, strict=False)
    return record


def _number(text: str) -> int | None:
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return None
