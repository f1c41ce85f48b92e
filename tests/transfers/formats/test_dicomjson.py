"""DICOM JSON against pydicom's, and values that pydicom would rather not see."""

import io
import json
import os
import random
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_charset_files, get_testdata_file, get_testdata_files
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from transfers import errors
from transfers.formats import dicomjson, part10

BASE = b"https://host/dicomweb"
PATH = "/studies/1.2/series/1.4/instances/1.2.3"


def read(ds: Dataset, **more: Any) -> dict[str, Any]:  # Any: JSON
    members: dict[str, Any] = json.loads(dicomjson.encode(ds, instance_path=PATH, base=BASE, **more))
    return members


def raw(*elements: tuple[int, str, bytes], little: bool = True) -> Dataset:
    """A data set as it comes from a file: nothing converted, nothing checked."""
    ds = Dataset()
    for tag, vr, value in elements:
        ds[tag] = RawDataElement(Tag(tag), vr, len(value), value, 0, False, little)
    return ds


def value_of(vr: str, value: bytes, *, charset: bytes = b"", little: bool = True) -> Any:
    tag = 0x00091001 if vr not in ("PN", "LO") else 0x00100010
    elements = [(0x00080005, "CS", charset)] if charset else []
    return read(raw(*elements, (tag, vr, value), little=little))[f"{tag:08X}"].get("Value")


def files() -> list[Path]:
    folder = os.environ.get("STUDIES")
    paths = [*map(Path, get_testdata_files()), *map(Path, get_charset_files("*"))]
    paths += [path for path in Path(folder).rglob("*") if path.is_file()] if folder else []
    kept = []
    for path in filter(Path.is_file, paths):
        try:
            scanner = part10.Scanner()
            scanner.feed(path.read_bytes())
            scanner.finish()
            kept.append(path)
        except errors.InstanceRefused:
            continue
    return kept


@pytest.mark.filterwarnings("ignore")
def test_pydicom_reads_back_the_same_values_from_every_file() -> None:
    compared = 0
    for path in files():
        try:
            theirs = pydicom.dcmread(path).to_json_dict(
                bulk_data_threshold=1 << 30, bulk_data_element_handler=lambda _: ""
            )
        except (TypeError, ValueError):
            continue  # a value that pydicom's writer gives up on
        ours = read(pydicom.dcmread(path), inline_limit=1 << 30)
        assert _comparable(ours) == _comparable(theirs), path
        compared += 1
    assert compared > 100


def _comparable(members: dict[str, Any]) -> dict[str, Any]:
    """What both writers must agree on: no bulk data, no group lengths, padding and character set aside."""
    kept = {}
    for key, attribute in members.items():
        if key.endswith("0000") or key in ("00080005", "7FE00010", "00420011"):
            continue
        values = [_trimmed(value) for value in attribute.get("Value", [])]
        kept[key] = (attribute["vr"], attribute.get("InlineBinary"), values)
    return kept


def _trimmed(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip() or None
    if not isinstance(value, dict):
        return value
    if any(isinstance(member, dict) for member in value.values()):
        return _comparable(value)
    return {name: text.strip() for name, text in value.items()}


def test_keys_ascend_and_file_meta_is_left_out() -> None:
    members = read(pydicom.dcmread(str(get_testdata_file("CT_small.dcm"))))
    assert list(members) == sorted(members)
    assert not any(key.startswith("0002") for key in members)


def test_pixel_data_are_bulk_data_at_their_tag() -> None:
    members = read(pydicom.dcmread(str(get_testdata_file("CT_small.dcm"))))
    assert members["7FE00010"] == {
        "vr": "OW",
        "BulkDataURI": f"{BASE.decode()}{PATH}/bulkdata/7FE00010",
    }


def test_base_is_a_nul_to_be_replaced() -> None:
    ds = raw((0x7FE00010, "OW", b"12"), (0x00100020, "LO", b"a\\u0000b\0"))
    text = dicomjson.encode(ds, instance_path=PATH)
    assert text.count(b"\0") == 1
    assert b'"\0' + PATH.encode() + b"/bulkdata/7FE00010" in text


def test_text_cannot_forge_the_place_of_the_base() -> None:
    ds = raw((0x00080005, "CS", b"ISO_IR 192"), (0x00100020, "LO", "a\uffff/b\0".encode()))
    assert read(ds)["00100020"]["Value"] == ["a/b"]


def test_pixels_that_were_not_read_can_be_named() -> None:
    members = read(raw((0x00100020, "LO", b"1")), left_out={0x7FE00010: "OW"})
    assert members["7FE00010"]["BulkDataURI"].endswith("/bulkdata/7FE00010")


def test_nested_bulk_data_have_a_path_of_tags_and_items() -> None:
    item = raw((0x00091001, "OB", bytes(2000)))
    ds = Dataset()
    ds.AcquisitionContextSequence = Sequence([Dataset(), item])
    nested = read(ds)["00400555"]["Value"]
    assert nested[0] == {}
    assert nested[1]["00091001"]["BulkDataURI"].endswith("/bulkdata/00400555/1/00091001")


@pytest.mark.parametrize(("size", "key"), [(1024, "InlineBinary"), (1025, "BulkDataURI")])
def test_long_binary_values_are_bulk_data(size: int, key: str) -> None:
    assert set(read(raw((0x00091001, "OB", bytes(size))))["00091001"]) == {"vr", key}


def test_encapsulated_document_is_bulk_data_however_short() -> None:
    assert "BulkDataURI" in read(raw((0x00420011, "OB", b"%PDF")))["00420011"]


def test_inline_binary_is_little_endian() -> None:
    assert read(raw((0x00091001, "OW", b"\x01\x02"), little=False))["00091001"]["InlineBinary"] == "AgE="


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("IS", b" 12 \\-3", [12, -3]),
        ("IS", b"1.5", ["1.5"]),
        ("IS", b"1A", ["1A"]),
        ("IS", b"9" * 30, ["9" * 30]),
        ("DS", b"1.50\\ 2 \\1e3", [1.5, 2, 1000.0]),
        ("DS", b"0.1234567890123456789", ["0.1234567890123456789"]),
        ("DS", b"NaN\\1,5\\1e999", ["NaN", "1,5", "1e999"]),
        ("DS", b"", None),
        ("CS", b"ORIGINAL\\\\AXIAL ", ["ORIGINAL", None, "AXIAL"]),
        ("CS", b"\\", None),
        ("LT", b" a\\b  ", [" a\\b"]),
        ("AT", b"\x10\x00\x20\x00\xe0\x7f\x10\x00", ["00100020", "7FE00010"]),
        ("FL", b"\x00\x00\xc0\x7f\x00\x00\x80\xff\x00\x00\x80?", ["NaN", "-Infinity", 1.0]),
        ("UV", b"\xff" * 8 + b"\x05" + bytes(7), ["18446744073709551615", 5]),
        ("SS", b"\xff\xff", [-1]),
        ("PN", b"A^B=\xe5", [{"Alphabetic": "A^B", "Ideographic": "å"}]),
        ("PN", b"A^B\\\\C==x", [{"Alphabetic": "A^B"}, None, {"Alphabetic": "C", "Phonetic": "x"}]),
    ],
)
def test_values_take_their_json_form(vr: str, value: bytes, expected: object) -> None:
    charset = b"ISO_IR 100" if b"\xe5" in value else b""
    assert value_of(vr, value, charset=charset) == expected


def test_big_endian_numbers_are_read() -> None:
    assert value_of("US", b"\x01\x02", little=False) == [0x0102]


@pytest.mark.parametrize(
    ("charset", "value", "expected"),
    [
        (b"ISO_IR 100", b"\xc4neas", "Äneas"),
        (b"ISO_IR 192", "山田".encode(), "山田"),
        (b"ISO_IR 144", "Люк".encode("iso8859_5"), "Люк"),
        (b"\\ISO 2022 IR 87", b"\x1b$B;3ED\x1b(B", "山田"),
        (b"\\ISO 2022 IR 149", b"\x1b$)C\xb1\xe8", "김"),
        (b"GB18030", "王".encode("gb18030"), "王"),
    ],
)
def test_names_are_unicode_and_say_so(charset: bytes, value: bytes, expected: str) -> None:
    members = read(raw((0x00080005, "CS", charset), (0x00100010, "PN", value)))
    assert members["00100010"]["Value"] == [{"Alphabetic": expected}]
    assert members["00080005"]["Value"] == ["ISO_IR 192"]


def test_backslash_inside_a_letter_does_not_split() -> None:
    assert value_of("LO", b"\x95\x5c\\b", charset=b"GBK") == [b"\x95\x5c".decode("gbk"), "b"]


def test_character_set_stays_where_all_text_is_ascii() -> None:
    members = read(raw((0x00080005, "CS", b"ISO_IR 100"), (0x00100010, "PN", b"A^B")))
    assert members["00080005"]["Value"] == ["ISO_IR 100"]


def test_unknown_character_set_and_wrong_octets_do_not_stop_the_rest() -> None:
    for charset in (b"NONSENSE", b"ISO_IR 192", b"\xff\xfe"):
        members = read(raw((0x00080005, "CS", charset), (0x00100010, "PN", b"A\xff"), (0x00100020, "LO", b"1")))
        assert members["00100020"]["Value"] == ["1"]


def test_value_of_the_wrong_length_is_given_as_octets_and_noted() -> None:
    notes: list[str] = []
    members = read(raw((0x00280010, "US", b"123"), (0x00100020, "LO", b"1")), notes=notes)
    assert members["00280010"] == {"vr": "UN", "InlineBinary": "MTIz"}
    assert notes == ["00280010"]


def test_unknown_vr_is_given_as_octets() -> None:
    members = read(raw((0x00091001, "YA", b"123"), (0x00091002, "ZZ", b"")))
    assert members["00091001"] == {"vr": "UN", "InlineBinary": "MTIz"}
    assert members["00091002"] == {"vr": "UN"}


@pytest.mark.filterwarnings("ignore")
def test_forged_octets_never_stop_the_writer() -> None:
    rng = random.Random(7)
    for name in ("CT_small.dcm", "test-SR.dcm", "MR_small_bigendian.dcm", "reportsi.dcm"):
        original = Path(str(get_testdata_file(name))).read_bytes()[:12_000]
        for _ in range(60):
            data = bytearray(original)
            for _ in range(rng.randrange(1, 20)):
                data[rng.randrange(132, len(data))] = rng.randrange(256)
            try:
                ds = pydicom.dcmread(io.BytesIO(bytes(data)))
            except Exception:
                continue  # what pydicom cannot open has no metadata to write
            notes: list[str] = []
            members = read(ds, notes=notes)
            tags = ds.keys()  # iterating over the data set itself would convert it
            stored = {f"{tag:08X}" for tag in tags if tag.element and tag.group != 2}
            assert stored - set(notes) <= set(members)


@pytest.mark.parametrize(("signed", "vr"), [(b"\x01\x00", "SS"), (b"\x00\x00", "US")])
def test_ambiguous_vr_follows_pixel_representation(signed: bytes, vr: str) -> None:
    ds = raw((0x00280103, "US", signed))
    ds[0x00280106] = RawDataElement(Tag(0x00280106), None, 2, b"\xff\xff", 0, True, True)
    assert read(ds)["00280106"]["vr"] == vr


def test_in_memory_data_sets_read_like_written_ones() -> None:
    ds = Dataset()
    ds.PatientName, ds.Rows, ds.PixelSpacing, ds.PatientID = "Yamada^Tarou=山田", 5, [0.5, 0.5], ""
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SmallestImagePixelValue = 3
    written = io.BytesIO()
    pydicom.dcmwrite(written, ds, implicit_vr=False, little_endian=True)
    written.seek(0)
    assert read(ds) == read(pydicom.dcmread(written, force=True))


def test_depth_is_bounded() -> None:
    ds = Dataset()
    for _ in range(80):
        outer = Dataset()
        outer.AcquisitionContextSequence = Sequence([ds])
        ds = outer
    notes: list[str] = []
    read(ds, notes=notes)
    assert notes == ["00400555"]
