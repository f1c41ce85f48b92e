"""Transfers as validation leaves them: records sealed, frames located, open to their recipients."""

import io
import json
from collections.abc import Iterable, Sequence
from datetime import timedelta

import pydicom
from django.utils import timezone
from pydicom.dataset import Dataset

from accounts import credentials
from accounts.models import Organization
from accounts.principals import Principal
from tests import factories
from transfers.formats import dicomjson, frametable, part10
from transfers.models import Instance, Transfer
from transfers.rules.lifecycle import State

STUDY_KEYWORDS = (
    "StudyDate StudyTime AccessionNumber ReferringPhysicianName PatientName PatientID PatientBirthDate PatientSex"
    " StudyInstanceUID StudyID StudyDescription"
).split()
SERIES_KEYWORDS = (
    "Modality SeriesInstanceUID SeriesNumber SeriesDescription PerformedProcedureStepStartDate"
    " PerformedProcedureStepStartTime RequestAttributesSequence"
).split()


def send(
    files: Iterable[bytes], *, sender: Organization, to: Sequence[Organization] = (), state: State = State.AVAILABLE
) -> Transfer:
    """A transfer with these instances, validated."""
    transfer = factories.make_transfer(sender, to=to, state=state)
    validate(transfer, list(files))
    return transfer


def validate(transfer: Transfer, files: Sequence[bytes]) -> list[Instance]:
    """Store instances and seal what they say."""
    instances = factories.store_instances(transfer, files)
    for instance, file in zip(instances, files, strict=True):
        _seal(instance, file, transfer)
    return instances


def caller(organization: Organization, *scopes: str) -> tuple[Principal, str]:
    """A key of an organisation: as the phases know it, and as an Authorization header."""
    from accounts import authentication

    issued = credentials.issue_key(organization, name="test", scopes=scopes or ("read",))  # type: ignore[arg-type]
    return authentication.authenticate_secret(issued.secret), f"Bearer {issued.secret}"


def _seal(instance: Instance, file: bytes, transfer: Transfer) -> None:
    key = factories.key_of(transfer)
    ds = pydicom.dcmread(io.BytesIO(file))
    study, series = instance.study, instance.series
    path = (
        f"/studies/{study.study_instance_uid}/series/{series.series_instance_uid}/instances/{instance.sop_instance_uid}"
    )
    record = dicomjson.encode(ds, instance_path=path)
    instance.record = key.seal("instance", instance.sop_instance_uid, record)
    instance.validated_sha256 = instance.sha256
    table = _header(file).frames
    instance.frames = frametable.pack(table) if table is not None else None
    instance.save()
    study.record = key.seal("study", study.study_instance_uid, _level(ds, STUDY_KEYWORDS))
    study.save()
    series.record = key.seal("series", series.series_instance_uid, _level(ds, SERIES_KEYWORDS))
    series.save()


def _level(ds: Dataset, keywords: Sequence[str]) -> bytes:
    whole = json.loads(dicomjson.encode(ds, instance_path="", base=b""))
    tags = [f"{pydicom.datadict.tag_for_keyword(keyword):08X}" for keyword in keywords]
    return json.dumps({tag: whole[tag] for tag in tags if tag in whole}, ensure_ascii=False).encode()


def _header(file: bytes) -> part10.Header:
    scanner = part10.Scanner(size=len(file))
    scanner.feed(file)
    return scanner.finish()


def lapse(transfer: Transfer) -> None:
    """Move the end of a transfer into the past, as time would."""
    Transfer.objects.filter(pk=transfer.pk).update(available_until=timezone.now() - timedelta(seconds=1))
