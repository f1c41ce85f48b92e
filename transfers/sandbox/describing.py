"""Read one instance's header with pydicom and say what an exchange must know of it. Runs in the sandbox.

The file comes trimmed (transfers/sandbox/trimming.py). What is answered are plain values: nothing of it is
believed, and the parent builds its own objects from them (transfers/sandbox/descriptions.py).
"""

import codecs
import io
import json
import re
import warnings
from typing import Any

import pydicom
import pydicom.charset
import pydicom.config
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from transfers.formats import dicomjson, frames
from transfers.sandbox import activity
from transfers.sandbox.child import Header

# PS3.18 Table 10.6.3-3 and what viewers and work lists also ask for; the first ones are there even when empty.
_STUDY_REQUIRED = (
    *(0x00080020, 0x00080030, 0x00080050, 0x00080090, 0x00100010, 0x00100020, 0x00100030, 0x00100040),
    *(0x0020000D, 0x00200010),
)
_STUDY_OPTIONAL = (
    *(0x00080051, 0x00080080, 0x00080201, 0x00081030, 0x00081032, 0x00081060, 0x00100021, 0x00100024),
    *(0x00101002, 0x00101010, 0x00101020, 0x00101030),
)
# PS3.18 Table 10.6.3-4.
_SERIES_REQUIRED = (0x00080060, 0x0020000E, 0x00200011)
_SERIES_OPTIONAL = (
    *(0x00080021, 0x00080031, 0x00080070, 0x00080080, 0x00080201, 0x00081010, 0x0008103E, 0x00081050),
    *(0x00081090, 0x00180015, 0x00181030, 0x00200060, 0x00400244, 0x00400245, 0x00400254, 0x00400275),
)

_LOSSY_SYNTAXES = frozenset(
    f"1.2.840.10008.1.2.4.{suffix}"
    for suffix in (50, 51, 81, 91, 93, 100, 101, 102, 103, 104, 105, 106, 107, 108, 112, 203)
)

# Without a VR (Implicit VR) until somebody asks.
_MAY_HOLD_PROGRAMS = frozenset({"OB", "OW", "UN", None})
_SEQUENCES = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] == "SQ")

_SPELLED = re.compile(r"ISO[-_ ]IR[-_ ]?([0-9]+)")

# Warnings quote values, and judging values is not a reader's work.
warnings.simplefilter("ignore")
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
# Nothing can be opened later: every decoder of text is looked up while it still can be.
for _name in {*pydicom.charset.python_encoding.values(), "utf-16-le", "utf-16-be", "utf-8-sig", "ascii", "idna"}:
    codecs.lookup(_name)


def handle(header: Header, body: bytes) -> tuple[Header, bytes]:
    """Describe instances, or look through one document; `lengths` says where each ends in the body."""
    if header["task"] == "inspect":
        return {"active": activity.of_document(body, media_type=header["media_type"])}, b""
    answers, records, at = [], [], 0
    seen: set[str] = set()
    for length, path in zip(header["lengths"], header["paths"], strict=True):
        answer, record = _describe(body[at : at + length], path, seen)
        answers.append({**answer, "record": len(record)})
        records.append(record)
        at += length
    return {"instances": answers}, b"".join(records)


def _describe(file: bytes, path: str, seen: set[str]) -> tuple[Header, bytes]:
    notes: list[str] = []
    try:
        ds = pydicom.dcmread(io.BytesIO(file))
        record = dicomjson.encode(ds, instance_path=path, notes=notes)
        answer = _facts(ds)
        series = _text(ds, "SeriesInstanceUID")
        if series not in seen:
            seen.add(series)
            answer["study"] = _level(ds, _STUDY_REQUIRED, _STUDY_OPTIONAL)
            answer["series"] = _level(ds, _SERIES_REQUIRED, _SERIES_OPTIONAL)
    except Exception as error:
        return {"error": type(error).__name__}, b""
    return {**answer, "bad_values": len(notes)}, record


def _level(ds: Dataset, required: tuple[int, ...], optional: tuple[int, ...]) -> Any:  # Any: DICOM JSON
    level = Dataset()
    for tag in (*required, *optional):
        if tag in ds:
            level.add(ds[tag])
        elif tag in required:
            level.add_new(tag, pydicom.datadict.dictionary_VR(tag), None)
    return json.loads(dicomjson.encode(level, instance_path=""))


def _facts(ds: Dataset) -> Header:
    syntax = str(ds.file_meta.get("TransferSyntaxUID", ""))
    return {
        "patient": {
            "patient_id": _text(ds, "PatientID"),
            "issuer": _text(ds, "IssuerOfPatientID") or _universal_issuer(ds),
            "name": _text(ds, "PatientName"),
            "birth_date": _text(ds, "PatientBirthDate"),
        },
        "knows_characters": all(_is_known(name) for name in _texts(ds, "SpecificCharacterSet")),
        "modality": _text(ds, "Modality"),
        "series_number": _number(ds, "SeriesNumber"),
        "instance_number": _number(ds, "InstanceNumber"),
        "burned_in": _text(ds, "BurnedInAnnotation"),
        "is_lossy": _is_lossy(ds, syntax),
        "pixel_bits": _pixel_bits(ds),
        "active": _active(ds),
    }


def _active(ds: Dataset) -> str:
    """What a document or a binary value of any depth would do when opened."""
    content = ds.get("EncapsulatedDocument")
    if isinstance(content, bytes):
        found = activity.of_document(content, media_type=_text(ds, "MIMETypeOfEncapsulatedDocument"))
        if found:
            return found
    open_sets = [ds]
    while open_sets:
        one = open_sets.pop()
        for element in list(one.values()):  # raw where nobody asked for the value yet: most are never looked at
            if _is_sequence(element):
                open_sets.extend(one[element.tag].value or ())
            elif element.VR in _MAY_HOLD_PROGRAMS and isinstance(element.value, bytes):
                found = activity.of_binary(element.value)
                if found:
                    return found
    return ""


def _is_sequence(element: DataElement | RawDataElement) -> bool:
    return element.VR == "SQ" or (element.VR is None and element.tag in _SEQUENCES)


def _pixel_bits(ds: Dataset) -> int | None:
    """Bits that all frames take uncompressed (PS3.5 Section 8.1.1), None where the attributes do not say."""
    image = frames.Image(
        rows=_number(ds, "Rows"),
        columns=_number(ds, "Columns"),
        bits_allocated=_number(ds, "BitsAllocated"),
        samples_per_pixel=_number(ds, "SamplesPerPixel"),
        number_of_frames=_number(ds, "NumberOfFrames"),
        photometric_interpretation=_text(ds, "PhotometricInterpretation"),
    )
    bits = frames.native_bits(image)
    return None if bits is None else bits * (image.number_of_frames or 1)


def _universal_issuer(ds: Dataset) -> str:
    items = ds.get("IssuerOfPatientIDQualifiersSequence") or ()
    return _text(items[0], "UniversalEntityID") if items else ""


def _is_known(name: str) -> bool:
    """PS3.3 Section C.12.1.1.2; `ISO-IR 100` and `ISO IR 100` are understood by every reader."""
    spelled = _SPELLED.sub(r"ISO_IR \1", name.strip())
    return spelled in pydicom.charset.python_encoding or spelled == "ISO 2022 IR 6"


def _texts(ds: Dataset, keyword: str) -> list[str]:
    try:
        value = ds.get(keyword)
    except Exception:
        return []
    if value is None or value == "":
        return []
    return [str(one) for one in value] if isinstance(value, MultiValue) else [str(value)]


def _text(ds: Dataset, keyword: str) -> str:
    values = _texts(ds, keyword)
    return values[0].strip(" \0") if values else ""


def _number(ds: Dataset, keyword: str) -> int | None:
    try:
        return int(_text(ds, keyword))
    except ValueError:
        return None


def _is_lossy(ds: Dataset, syntax: str) -> bool:
    """PS3.3 Section C.7.6.1.1.5; some syntaxes serve both, so what the attribute says comes first."""
    said = _text(ds, "LossyImageCompression")
    return said == "01" or (not said and syntax in _LOSSY_SYNTAXES)
