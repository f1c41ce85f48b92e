"""Transfers as validation leaves them: records sealed, frames located, open to their recipients."""

import io
import json
from collections.abc import Iterable, Sequence
from datetime import timedelta

import pydicom
from django.utils import timezone
from pydicom.dataset import Dataset

from accounts import authentication, credentials
from accounts.models import Organization
from accounts.principals import Principal, Scope
from tests import factories
from transfers.formats import dicomjson, frametable, part10
from transfers.keys.opened import TransferKey
from transfers.models import Instance, Study, Transfer
from transfers.rules.lifecycle import State
from transfers.validating import recording

STUDY_TAGS = [
    *("00080020", "00080030", "00080050", "00080090", "00081030"),
    *("00100010", "00100020", "00100021", "00100030", "00100040", "0020000D", "00200010"),
]
SERIES_TAGS = ["00080060", "0008103E", "0020000E", "00200011", "00400244", "00400245", "00400275"]


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


def caller(organization: Organization, *scopes: Scope) -> tuple[Principal, str]:
    """A key of an organisation: as the phases know it, and as an Authorization header."""
    issued = credentials.issue_key(organization, name="test", scopes=scopes or ("read",))
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
    instance.save(update_fields=["record", "validated_sha256", "frames"])
    study.record = key.seal("study", study.study_instance_uid, _level(ds, STUDY_TAGS))
    study.save(update_fields=["record"])
    series.record = key.seal("series", series.series_instance_uid, _level(ds, SERIES_TAGS))
    series.save(update_fields=["record"])
    recording.write_modalities(transfer, _modalities(study, key), key=key)


def _modalities(study: Study, key: TransferKey) -> dict[str, set[str]]:
    records = [
        json.loads(key.open("series", one.series_instance_uid, one.record)) for one in study.series.all() if one.record
    ]
    found = {value for record in records for value in record.get("00080060", {}).get("Value", ())}
    return {study.study_instance_uid: found}


def _level(ds: Dataset, tags: Sequence[str]) -> bytes:
    whole = json.loads(dicomjson.encode(ds, instance_path="", base=b""))
    return json.dumps({tag: whole[tag] for tag in tags if tag in whole}, ensure_ascii=False).encode()


def _header(file: bytes) -> part10.Header:
    scanner = part10.Scanner(size=len(file))
    scanner.feed(file)
    return scanner.finish()


def lapse(transfer: Transfer) -> None:
    """Move the end of a transfer into the past, as time would."""
    Transfer.objects.filter(pk=transfer.pk).update(available_until=timezone.now() - timedelta(seconds=1))
