"""What is written of the DICOM JSON Model, read back by pydicom."""

import io
import json
import math
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from tests.transfers.formats.test_dicomjson import PATH, files
from transfers.formats import composing, dicomjson
from transfers.formats.composing import Bulk, Unwritable

Members = dict[str, Any]  # Any: DICOM JSON


def written(members: Members) -> Dataset:
    pieces = composing.compose(members)
    return read_dataset(io.BytesIO(b"".join(piece for piece in pieces if isinstance(piece, bytes))), False, True)


def value_of(vr: str, *values: object, tag: str = "00091001") -> Any:
    return written({tag: {"vr": vr, "Value": list(values)}})[int(tag, 16)].value


@pytest.mark.filterwarnings("ignore")
def test_what_is_said_of_every_file_is_written_again() -> None:
    """JSON of a file, written and said in JSON again, is the same."""
    compared = 0
    for path in files():
        said = json.loads(dicomjson.encode(pydicom.dcmread(path), instance_path=PATH, base=b"", inline_limit=1 << 30))
        said = {tag: one for tag, one in said.items() if "BulkDataURI" not in one}
        again = json.loads(dicomjson.encode(written(said), instance_path=PATH, base=b"", inline_limit=1 << 30))
        differing = {tag for tag in {*said, *again} if said.get(tag) != again.get(tag)} - {"00080005"}
        assert not differing, path
        compared += 1
    assert compared > 100


@pytest.mark.parametrize(
    ("vr", "values", "expected"),
    [
        ("US", [1, 65535], [1, 65535]),
        ("SS", [-1], -1),
        ("UL", [4294967295], 4294967295),
        ("SV", ["-9223372036854775808"], -(1 << 63)),
        ("UV", [1], 1),
        ("FD", [0.1], 0.1),
        ("FL", [0.5, "-Infinity"], [0.5, -math.inf]),
        ("AT", ["00100020"], 0x00100020),
        ("IS", [1, "2", 3.0], [1, 2, 3]),
        ("DS", [1.5, "2.50", 3], [1.5, 2.5, 3]),
        ("CS", ["A", None, "B"], ["A", "", "B"]),
        ("LT", ["a\\b"], "a\\b"),
    ],
)
def test_values_are_those_that_were_given(vr: str, values: list[object], expected: object) -> None:
    read = value_of(vr, *values)
    assert (list(read) if isinstance(expected, list) else read) == expected


def test_numbers_are_decimal_strings_of_sixteen_characters() -> None:
    for number in (1 / 3, -1 / 3, 1e300, -1.2345678901234567e-300, 123456789012345678901, 1e15):
        (piece,) = composing.compose({"00180050": {"vr": "DS", "Value": [number]}})
        assert isinstance(piece, bytes) and len(piece) <= 8 + 16
        assert math.isclose(float(piece[8:]), number, rel_tol=1e-9)


def test_elements_ascend_whatever_the_order_of_the_members() -> None:
    members = {"00100020": {"vr": "LO", "Value": ["b"]}, "00080060": {"vr": "CS", "Value": ["CT"]}}
    assert composing.compose(members) == composing.compose(dict(reversed(members.items())))


def test_lower_case_tags_are_read_and_twice_is_once_too_often() -> None:
    one = {"vr": "CS", "Value": ["X"]}
    assert 0x0008103E in written({"0008103e": {"vr": "LO", "Value": ["x"]}})
    with pytest.raises(Unwritable):
        composing.compose({"0008103e": one, "0008103E": one})


def test_file_meta_and_group_lengths_are_left_out() -> None:
    ds = written({"00020010": {"vr": "UI", "Value": ["1.2"]}, "00100000": {"vr": "UL", "Value": [4]}})
    assert len(ds) == 0


def test_text_that_needs_it_is_unicode_at_every_depth() -> None:
    inner = {"00080005": {"vr": "CS", "Value": ["ISO_IR 100"]}, "00081080": {"vr": "LO", "Value": ["größe"]}}
    members = {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 100"]},
        "00081140": {"vr": "SQ", "Value": [inner]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}]},
    }
    ds = written(members)
    ds.decode()
    assert ds.SpecificCharacterSet == "ISO_IR 192"
    assert str(ds.PatientName) == "Yamada^Tarou=山田^太郎"
    assert ds[0x00081140].value[0][0x00081080].value == "größe"
    assert 0x00080005 not in ds[0x00081140].value[0]


def test_text_that_does_not_keeps_its_character_set() -> None:
    ds = written({"00080005": {"vr": "CS", "Value": ["ISO_IR 100"]}, "00100020": {"vr": "LO", "Value": ["1"]}})
    assert ds.SpecificCharacterSet == "ISO_IR 100"


def test_names_are_groups_or_text() -> None:
    assert str(value_of("PN", {"Phonetic": "p^q"}, tag="00100010")) == "==p^q"
    assert str(value_of("PN", "a^b", tag="00100010")) == "a^b"


def test_octets_come_from_base64_padded_to_an_even_length() -> None:
    assert written({"00091001": {"vr": "OB", "InlineBinary": "YWJj"}})[0x00091001].value == b"abc\0"


def test_items_may_be_empty() -> None:
    ds = written({"00081140": {"vr": "SQ", "Value": [{}, None]}, "00081198": {"vr": "SQ"}})
    assert [len(item) for item in ds[0x00081140].value] == [0, 0]
    assert len(ds[0x00081198].value) == 0


def test_bulk_data_leave_their_place_open() -> None:
    item = {"00420011": {"vr": "OB", "BulkDataURI": "b"}}
    members = {
        "00081140": {"vr": "SQ", "Value": [item]},
        "00100020": {"vr": "LO", "Value": ["1"]},
        "7FE00010": {"vr": "OW", "BulkDataURI": "c"},
    }
    pieces = composing.compose(members)
    assert [one for one in pieces if isinstance(one, Bulk)] == [
        Bulk("b", 0x00420011, "OB", is_nested=True),
        Bulk("c", 0x7FE00010, "OW", is_nested=False),
    ]
    octets = b"".join(one for one in pieces if isinstance(one, bytes))
    assert [element.tag for element in read_dataset(io.BytesIO(octets), False, True)] == [0x00081140, 0x00100020]


@pytest.mark.parametrize(
    "attribute",
    [
        None,
        [],
        {},
        {"vr": "XX"},
        {"vr": ["CS"]},
        {"vr": "CS", "Value": "X"},
        {"vr": "CS", "Value": ["a\\b"]},
        {"vr": "CS", "Value": ["a\0b"]},
        {"vr": "CS", "Value": [1]},
        {"vr": "LT", "Value": ["a", "b"]},
        {"vr": "US", "Value": [65536]},
        {"vr": "US", "Value": [1.5]},
        {"vr": "US", "Value": [True]},
        {"vr": "US", "Value": [None]},
        {"vr": "DS", "Value": [math.nan]},
        {"vr": "IS", "Value": [1.5]},
        {"vr": "FD", "Value": ["x"]},
        {"vr": "AT", "Value": ["0010"]},
        {"vr": "PN", "Value": [{"Alphabetic": 1}]},
        {"vr": "PN", "Value": [{"Given": "x"}]},
        {"vr": "OB", "Value": [1]},
        {"vr": "OB", "InlineBinary": "!"},
        {"vr": "LO", "InlineBinary": "YWJj"},
        {"vr": "OB", "InlineBinary": "YWJj", "BulkDataURI": "x"},
        {"vr": "OB", "BulkDataURI": ""},
        {"vr": "SQ", "BulkDataURI": "x"},
        {"vr": "SQ", "Value": {}},
        {"vr": "SQ", "Value": ["x"]},
        {"vr": "CS", "Value": ["\ud800"]},
    ],
)
def test_what_is_no_element_is_refused_by_its_tag(attribute: object) -> None:
    with pytest.raises(Unwritable) as refusal:
        composing.compose({"00091001": attribute})
    assert refusal.value.tag in ("00091001", "")


def test_depth_is_bounded() -> None:
    members: Members = {}
    for _ in range(composing.MAX_DEPTH + 1):
        members = {"00081140": {"vr": "SQ", "Value": [members]}}
    with pytest.raises(Unwritable):
        composing.compose(members)
