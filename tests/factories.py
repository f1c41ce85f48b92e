"""Rows as the phases leave them, for tests that begin in the middle of a transfer's life.

Everything is real: keys from the key folder, packs sealed through the vault, headers read by the scanner.
"""

import hashlib
import io
import itertools
import secrets
import zlib
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pydicom
from django.utils import timezone
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless

from accounts.models import Department, Organization, User
from transfers import vault
from transfers.formats import frametable, part10
from transfers.keys import opened
from transfers.keys.opened import TransferKey, WrappedKey
from transfers.models import Delivery, Document, Instance, Pack, Series, Study, Transfer
from transfers.rules.lifecycle import Access, State

CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
_serial = itertools.count(1)


def make_organization(address: str = "", **fields: Any) -> Organization:  # Any: column values
    """An organisation; without an address each call makes another one."""
    address = address or f"site-{next(_serial)}"
    return Organization.objects.create(address=address, name=address.replace("-", " ").title(), **fields)


def make_department(organization: Organization, slug: str = "radiology") -> Department:
    return Department.objects.create(organization=organization, slug=slug, name=slug.title())


def make_transfer(
    sender: Organization | None = None,
    *,
    to: Iterable[Organization] = (),
    state: State = State.VALIDATING,
    lifetime: timedelta = timedelta(days=30),
    grace: timedelta = timedelta(days=14),
    **fields: Any,  # Any: column values
) -> Transfer:
    """A transfer with a key of its own and an open delivery to each recipient."""
    sender = sender or make_organization()
    transfer_id, now = uuid4(), timezone.now()
    purge_at = now + lifetime + grace
    _, wrapped = opened.new(organization=str(sender.pk), transfer=str(transfer_id), purge_day=purge_at.date())
    defaults: dict[str, Any] = {  # Any: column values
        "reference": f"T{next(_serial):07d}",
        "principal": "key:test",
        "state_changed_at": now,
        "created_at": now,
        "sent_at": None if state == State.DRAFT else now,
        "available_at": now if state == State.AVAILABLE else None,
        "available_until": now + lifetime,
        "grace": grace,
        "purge_at": purge_at,
        "finalised_by": "" if state in (State.DRAFT, State.RECEIVING) else "explicit",
        "wrapped_key": wrapped.wrapped,
        "day_key_id": wrapped.day_key_id,
    }
    transfer = Transfer.objects.create(id=transfer_id, sender=sender, state=state, **{**defaults, **fields})
    for recipient in to:
        make_delivery(transfer, organization=recipient)
    return transfer


def make_delivery(
    transfer: Transfer,
    *,
    organization: Organization | None = None,
    department: Department | None = None,
    user: User | None = None,
    access: Access = Access.OPEN,
    **fields: Any,  # Any: column values
) -> Delivery:
    return Delivery.objects.create(
        transfer=transfer,
        organization=organization,
        department=department,
        user=user,
        access=access,
        was_open=transfer.state == State.AVAILABLE and access == Access.OPEN,
        created_at=timezone.now(),
        **fields,
    )


def key_of(transfer: Transfer) -> TransferKey:
    """The opened key of a transfer that was not purged."""
    return opened.open_wrapped(
        WrappedKey(bytes(transfer.wrapped_key or b""), transfer.day_key_id),
        organization=str(transfer.sender_id),
        transfer=str(transfer.pk),
    )


def store_instance(transfer: Transfer, file: bytes) -> Instance:
    """One push of one instance, as committed: not validated yet."""
    (instance,) = store_instances(transfer, [file])
    return instance


def store_instances(transfer: Transfer, files: Iterable[bytes]) -> list[Instance]:
    """One push: one pack; a SOP Instance UID that is there already is superseded, as in a resend."""
    pack = _new_pack(transfer)
    stored = []
    with _open_pack(transfer, pack) as writer:
        for file in files:
            writer.begin()
            writer.write(file)
            stored.append(_instance(transfer, pack, writer.end(), file))
        writer.sync()
        _close(pack, writer.durable_length)
    _count(transfer)
    return stored


def store_document(
    transfer: Transfer,
    content: bytes,
    *,
    media_type: str = "text/plain",
    **fields: Any,  # Any: column values
) -> Document:
    """One document, sealed in a pack of its own."""
    pack = _new_pack(transfer)
    with _open_pack(transfer, pack) as writer:
        writer.begin(kind=vault.DOCUMENT)
        writer.write(content)
        stretch = writer.end()
        writer.sync()
        _close(pack, writer.durable_length)
    return Document.objects.create(
        transfer=transfer,
        pack=pack,
        media_type=media_type,
        ordinal=stretch.ordinal,
        offset=stretch.offset,
        sealed_length=stretch.sealed_length,
        size=len(content),
        sha256=hashlib.sha256(content).digest(),
        crc32=zlib.crc32(content),
        received_at=timezone.now(),
        **{"status": "final", **fields},
    )


def make_uid() -> str:
    """A UID nobody else has (PS3.5 Annex B.2)."""
    return f"2.25.{secrets.randbits(120)}"


def make_ct(*, pixels: bytes = bytes(512), **attributes: Any) -> bytes:  # Any: element values
    """A small CT image as a Part 10 file; attributes by keyword, None leaves one out."""
    ds = Dataset()
    values = {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPClassUID": CT_STORAGE,
        "SOPInstanceUID": make_uid(),
        "StudyInstanceUID": make_uid(),
        "SeriesInstanceUID": make_uid(),
        "StudyDate": "20260102",
        "StudyTime": "101112",
        "AccessionNumber": "A-1",
        "Modality": "CT",
        "ReferringPhysicianName": "",
        "PatientName": "Doe^Jane",
        "PatientID": "P-1",
        "PatientBirthDate": "19600704",
        "PatientSex": "F",
        "StudyID": "1",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 16,
        "Columns": 16,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        **attributes,
    }
    for keyword, value in values.items():
        if value is not None:
            setattr(ds, keyword, value)
    if pixels:
        ds.add_new(0x7FE00010, "OW", pixels)
    return part10_file(ds)


def make_encapsulated(frames: Sequence[bytes], **attributes: Any) -> bytes:  # Any: element values
    """The same with compressed frames, whatever is in them, and a basic offset table (PS3.5 Annex A.4)."""
    ds = pydicom.dcmread(io.BytesIO(make_ct(pixels=b"", NumberOfFrames=len(frames), **attributes)))
    ds.add_new(0x7FE00010, "OB", encapsulate(list(frames)))
    ds["PixelData"].is_undefined_length = True
    return part10_file(ds, transfer_syntax_uid=JPEG2000Lossless)


def make_series(count: int, **attributes: Any) -> list[bytes]:  # Any: element values
    """The images of one series, numbered from 1."""
    uids = {"StudyInstanceUID": make_uid(), "SeriesInstanceUID": make_uid(), **attributes}
    return [make_ct(**{"InstanceNumber": number, **uids}) for number in range(1, count + 1)]


def part10_file(ds: Dataset, *, transfer_syntax_uid: str = ExplicitVRLittleEndian) -> bytes:
    """Write a data set as a Part 10 file (PS3.10 Section 7.1)."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    file = io.BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _new_pack(transfer: Transfer) -> Pack:
    return Pack.objects.create(name=vault.new_name(), transfer=transfer, created_at=timezone.now())


def _open_pack(transfer: Transfer, pack: Pack) -> vault.PackWriter:
    prefix = aad_prefix(transfer.sender_id, transfer.pk, pack.name)
    return vault.open_pack(pack.name, key=key_of(transfer).packs, aad_prefix=prefix)


def aad_prefix(sender_id: int, transfer_id: UUID, pack_name: str) -> vault.AadPrefix:
    return str(sender_id).encode(), str(transfer_id).encode(), pack_name.encode()


def _close(pack: Pack, length: int) -> None:
    pack.committed_length, pack.is_open = length, False
    pack.save(update_fields=["committed_length", "is_open"])


def _instance(transfer: Transfer, pack: Pack, stretch: vault.Stretch, file: bytes) -> Instance:
    scanner = part10.Scanner(size=len(file))
    scanner.feed(file)
    header, now = scanner.finish(), timezone.now()
    located = header.frames
    study, _ = Study.objects.get_or_create(
        transfer=transfer, study_instance_uid=header.study_instance_uid, defaults={"received_at": now}
    )
    series, _ = Series.objects.get_or_create(
        study=study, series_instance_uid=header.series_instance_uid, defaults={"received_at": now}
    )
    instance, _ = Instance.objects.update_or_create(
        transfer=transfer,
        sop_instance_uid=header.sop_instance_uid,
        defaults={
            "study": study,
            "series": series,
            "sop_class_uid": header.sop_class_uid,
            "transfer_syntax_uid": header.transfer_syntax_uid,
            "pack": pack,
            "ordinal": stretch.ordinal,
            "offset": stretch.offset,
            "sealed_length": stretch.sealed_length,
            "size": len(file),
            "sha256": hashlib.sha256(file).digest(),
            "crc32": zlib.crc32(file),
            "dataset_offset": header.dataset_offset,
            "pixel_offset": header.pixel_offset,
            "pixel_value_offset": header.pixel_value_offset,
            "pixel_length": header.pixel_length,
            "tail_crc32": _tail(header, file),
            "frame_count": located.count if located else header.number_of_frames,
            "frames": frametable.pack(located) if located else None,
            "received_at": now,
        },
    )
    return instance


def _tail(header: part10.Header, file: bytes) -> int | None:
    return None if header.pixel_offset is None else zlib.crc32(file[header.pixel_offset :])


def _count(transfer: Transfer) -> None:
    """Bring the counters of transfer, studies and series up to what is there."""
    instances = list(transfer.instances.all())
    for study in transfer.studies.all():
        study.series_count = study.series.count()
        study.instance_count = study.instances.count()
        study.save(update_fields=["series_count", "instance_count"])
        for series in study.series.all():
            series.instance_count = series.instances.count()
            series.save(update_fields=["instance_count"])
    transfer.instance_count = len(instances)
    transfer.study_count = transfer.studies.count()
    transfer.byte_count = sum(instance.size for instance in instances)
    transfer.stored_bytes = sum(pack.committed_length for pack in transfer.packs.all())
    transfer.save(update_fields=["instance_count", "study_count", "byte_count", "stored_bytes"])
