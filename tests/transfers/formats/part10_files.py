"""DICOM files to be scanned: from octets, from pydicom, and real ones."""

import io
import os
import struct
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_files
from pydicom.dataset import Dataset, FileMetaDataset

from transfers import errors
from transfers.formats import part10

EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
DEFLATED, JPEG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.50"
CT = "1.2.840.10008.5.1.4.1.1.2"


def scan(data: bytes, *, step: int = 1 << 18, sized: bool = True) -> part10.Header:
    scanner = part10.Scanner(size=len(data) if sized else None)
    for at in range(0, len(data), step):
        scanner.feed(memoryview(data)[at : at + step])
    return scanner.finish()


def element(tag: int, vr: str, value: bytes, *, length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    long = vr in ("OB", "OW", "SQ", "UN", "UT")
    return head + (struct.pack("<HI", 0, size) if long else struct.pack("<H", size)) + value


def item(value: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value


ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
ITEM_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
UIDS = (
    element(0x00080016, "UI", CT.encode() + b"\0")
    + element(0x00080018, "UI", b"1.2.3")
    + element(0x0020000D, "UI", b"1.2")
    + element(0x0020000E, "UI", b"1.4")
)


def part10_file(
    data_set: bytes = UIDS, *, syntax: str = EXPLICIT, preamble: bytes = bytes(128), sop_class: str = CT
) -> bytes:
    meta = element(0x00020002, "UI", sop_class.encode()) + element(0x00020003, "UI", b"1.2.3")
    meta += element(0x00020010, "UI", syntax.encode())
    return preamble + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta + data_set


def made(syntax: str, **attributes: object) -> bytes:
    """A file written by pydicom, nested sequences and all."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = CT, "1.2.3", "1.2", "1.4"
    ds.PatientID, ds.PatientName, ds.AccessionNumber = "P1", "Muster^Änne", "A1"
    ds.SpecificCharacterSet = "ISO_IR 100"
    issuer = Dataset()
    issuer.LocalNamespaceEntityID = "HOSPITAL"
    ds.IssuerOfAccessionNumberSequence = [issuer]
    inner = Dataset()
    inner.ReferencedSOPInstanceUID = "9.9"
    outer = Dataset()
    outer.ReferencedSOPSequence = [inner, inner]
    ds.ReferencedSeriesSequence = [outer, Dataset()]
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    written = io.BytesIO()
    pydicom.dcmwrite(written, ds, enforce_file_format=True)
    return written.getvalue()


NATIVE = {
    "Rows": 4,
    "Columns": 6,
    "BitsAllocated": 16,
    "SamplesPerPixel": 1,
    "NumberOfFrames": 3,
    "PhotometricInterpretation": "MONOCHROME2",
    "PixelData": bytes(range(144)),
}


def corpus() -> list[Path]:
    own = [Path(path) for path in get_testdata_files() if Path(path).is_file()]
    folder = os.environ.get("STUDIES")
    return own + ([path for path in Path(folder).rglob("*") if path.is_file()] if folder else [])


def accepted() -> list[Path]:
    paths = []
    for path in corpus():
        try:
            scan(path.read_bytes())
            paths.append(path)
        except errors.InstanceRefused:
            continue
    return paths


def jpeg_file(pixels: bytes, *, count: int, **more: object) -> bytes:
    image = {**NATIVE, "NumberOfFrames": count, "PixelData": pixels, **more}
    return made(JPEG, **image)


FRAMES = [b"first frame.", b"second", b"the third one "]


def refused(data_set: bytes, syntax: str = EXPLICIT) -> type[errors.InstanceRefused]:
    with pytest.raises(errors.InstanceRefused) as caught:
        scan(part10_file(data_set, syntax=syntax))
    return caught.type
