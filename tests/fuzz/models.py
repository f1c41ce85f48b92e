"""Metadata in JSON and XML with bulk data (DICOM PS3.18 Section 10.5.2 and Annex F): an image that went astray."""
# Tables of odd values.
# ruff: noqa: E501
# fmt: off

import json
from random import Random
from typing import Any, Final

JSON: Final = "application/dicom+json"
_EMPTY: Final = b'<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM"/>'
XML: Final = (
    _EMPTY,
    b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>",
    b"<x" + b"<y>" * 5000,
    b"\xff\xfe<\x00",
    b"",
    b'<NativeDicomModel><DicomAttribute tag="00080018" vr="UI"><Value number="1">1.2</Value></DicomAttribute>',
)
_BULK_TYPES: Final = (
    *["application/octet-stream"] * 15,
    *("image/jpeg", "image/jls", "image/jp2", "image/dicom-rle", "image/png", "video/mp4", "text/plain", "", "x", "image/jpx"),
    *("image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.57", "image/jpeg; transfer-syntax=x", "application/octet-stream; a"),
)
_BULK: Final = (*[bytes(512)] * 8, bytes(511), bytes(513), b"", bytes(5000), b"\xff\xd8\xff\xc0\0\0", b"\xff\xd8", b"\xff\x4f\xff\x51")
_PLACES: Final = (*["pixels"] * 15, "elsewhere", "", "http://localhost/pixels", "../pixels", "cid:a", "%00", "pix\xe9ls")
_IMAGE: Final[dict[str, tuple[str, list[Any]]]] = {  # Any: JSON
    "00080005": ("CS", ["ISO_IR 192"]),
    "00080016": ("UI", ["1.2.840.10008.5.1.4.1.1.2"]),
    "00080020": ("DA", ["20260102"]),
    "00080060": ("CS", ["CT"]),
    "00100010": ("PN", [{"Alphabetic": "Doe^Jane"}]),
    "00100020": ("LO", ["P-1"]),
    "00280002": ("US", [1]),
    "00280004": ("CS", ["MONOCHROME2"]),
    "00280010": ("US", [16]),
    "00280011": ("US", [16]),
    "00280100": ("US", [16]),
    "00280101": ("US", [12]),
    "00280102": ("US", [11]),
    "00280103": ("US", [0]),
    "00281052": ("DS", [-1024]),
}
_VRS: Final = (
    *("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "OB", "OD", "OF", "OL", "OV", "OW", "PN", "SH"),
    *("SL", "SQ", "SS", "ST", "SV", "TM", "UC", "UI", "UL", "UN", "UR", "US", "UT", "UV", "XX", "", "ui", 1, None),
)
_VALUES: Final[tuple[object, ...]] = (
    *("1.2.3", "", None, [], {}, True, 1, -1.5, 1e308, "x" * 5000, "\u0000", [[]], [None], [{}], ["1.2.3"], [1], ["1"], [1e999]),
    *([float("nan")], [1 << 70], [-1], [1.5], [True], ["\ud800"], ["\\"], ["a\\b"], ["é"], [{"Alphabetic": 1}], ["\n\r\f\x1b"]),
    *([{"Alphabetic": "A^B"}], [{"00080018": {"vr": "UI", "Value": ["1"]}}], [{"Alphabetic": "=" * 9}], ["9" * 400], [[[[]]]]),
    *("AAAA", "====", "A", "AA==", "!", "pixels", "http://169.254.169.254/", "file:///etc/passwd", "//x", "?", "#"),
)
_TAGS: Final = ("00020010", "00080000", "00080005", "00090010", "00091001", "7FE00010", "FFFEE000", "0000000g", "8", "", "00082112")


def make(rng: Random) -> tuple[str, list[tuple[str, bytes]]]:
    """The root type of a body, and its parts: what follows `Content-Type: ` in their headers, and what they hold."""
    if rng.random() < 0.15:
        return "application/dicom+xml", [("application/dicom+xml", rng.choice(XML))]
    records = [_record(rng) for _ in range(rng.choice((1, 1, 1, 2, 0)))]
    parts = [(rng.choice((*[JSON] * 6, "application/json", "", "text/plain")), _document(rng, records))]
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        kind = rng.choice(_BULK_TYPES)
        place = rng.choice(("Content-Location: {}", "Content-Location: {}", "Content-ID: <{}>")).format(rng.choice(_PLACES))
        parts.append((f"{kind}\r\n{place}", rng.choice(_BULK)))
    return JSON, parts


def _record(rng: Random) -> dict[str, Any]:  # Any: JSON
    uids = {tag: {"vr": "UI", "Value": [f"1.2.{rng.randrange(1 << 60)}"]} for tag in ("00080018", "0020000D", "0020000E")}
    record = {**uids, **{tag: {"vr": vr, "Value": value} for tag, (vr, value) in _IMAGE.items()}}
    record["7FE00010"] = {"vr": "OW", "BulkDataURI": rng.choice(_PLACES[:16])}
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        tag = rng.choice((rng.choice(list(record)), rng.choice(_TAGS), f"{rng.randrange(1 << 32):08X}"))
        record[tag] = _element(rng)
    return record


def _element(rng: Random) -> Any:  # Any: JSON
    vr, key = rng.choice(_VRS), rng.choice(("Value", "Value", "Value", "InlineBinary", "BulkDataURI", "value"))
    return rng.choice(({"vr": vr, key: rng.choice(_VALUES)}, {"vr": vr, key: rng.choice(_VALUES)}, {"vr": vr}, {}, 1))


def _document(rng: Random, records: list[dict[str, Any]]) -> bytes:  # Any: JSON
    if rng.random() < 0.85:
        return json.dumps(records).encode()
    text = json.dumps(records)
    deep = '{"00081140":{"vr":"SQ","Value":[' * 200
    return rng.choice((text[:-1], text + "]", "[" * 5000, "", "{" + '"a":' * 3000, f"[{deep}", "[[]]", "x", "\ufeff[]")).encode()


def references(rng: Random, study: str, series: str, sop_instance: str) -> bytes:
    """What is to be kept (PS3.18 Section 13.1), as it should be or with an element that is not."""
    image, ct = {"00081155": {"vr": "UI", "Value": [sop_instance]}}, {"00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]}}
    one, of_class = {**ct, **image}, {**ct, "0008114A": {"vr": "SQ", "Value": [image]}}
    of_series = {"0020000E": {"vr": "UI", "Value": [series]}, "00081112": {"vr": "SQ", "Value": [of_class]}}
    of_study = {"0020000D": {"vr": "UI", "Value": [study]}, "00081115": {"vr": "SQ", "Value": [of_series]}}
    whole: dict[str, Any] = rng.choice(({"00081199": {"vr": "SQ", "Value": [one] * rng.choice((1, 2, 50))}}, {"00081110": {"vr": "SQ", "Value": [of_study]}}))  # Any: JSON
    level = rng.choice((one, image, of_class, of_series, of_study, whole))
    if rng.random() < 0.5:
        level[rng.choice([*level, *_TAGS])] = _element(rng)
    return _document(rng, [whole]) if rng.random() < 0.4 else json.dumps(whole).encode()
