"""The Native DICOM Model, read back by a reader of its own and compared with the JSON it was made of."""

import json
from typing import Any, Final
from xml.etree import ElementTree

import pydicom
import pytest

from tests.transfers.formats.test_dicomjson import BASE, PATH, files, raw
from transfers.formats import dicomjson, nativexml

_SPACE: Final = f"{{{nativexml.NAMESPACE}}}"
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_COMPONENTS: Final = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_NUMERIC: Final = frozenset(["DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"])

Members = dict[str, Any]  # Any: DICOM JSON


def written(members: Members) -> ElementTree.Element:
    return ElementTree.fromstring(nativexml.encode_members(members))


def read(data_set: ElementTree.Element) -> Members:
    """PS3.19 Table A.1.5-2, the other way round; a private element is named by group, creator and number."""
    return {_name(one): _attribute(one) for one in data_set.findall(f"{_SPACE}DicomAttribute")}


def _name(element: ElementTree.Element) -> str:
    tag, creator = element.attrib["tag"], element.attrib.get("privateCreator")
    return f"{tag[:4]} {creator} {tag[6:]}" if creator else tag


def _attribute(element: ElementTree.Element) -> Members:
    attribute: Members = {"vr": element.attrib["vr"]}
    for child in element:
        kind = child.tag.removeprefix(_SPACE)
        if kind == "InlineBinary":
            attribute[kind] = child.text
        elif kind == "BulkData":
            attribute["BulkDataURI"] = child.attrib["uri"]
        else:
            values = attribute.setdefault("Value", [])
            assert int(child.attrib["number"]) == len(values) + 1
            values.append(_value(kind, child, attribute["vr"]))
    return attribute


def _value(kind: str, child: ElementTree.Element, vr: str) -> Any:  # Any: DICOM JSON
    if kind == "Item":
        return read(child)
    if kind == "PersonName":
        return {name: _group(group) for name in _GROUPS if (group := child.find(_SPACE + name)) is not None} or None
    return _comparable(child.text, vr)


def _group(group: ElementTree.Element) -> str:
    return "^".join(group.findtext(_SPACE + name) or "" for name in _COMPONENTS).rstrip("^")


def _comparable(value: Any, vr: str) -> Any:  # Any: DICOM JSON
    """A number as what it is worth, whichever way it is written."""
    if value is None or vr not in _NUMERIC:
        return value
    try:
        return float(value)
    except ValueError:
        return value


def expected(members: Members) -> Members:
    creators: dict[str, str] = {}
    named: Members = {}
    for tag, attribute in members.items():
        if int(tag[3], 16) % 2 and tag[4:6] == "00" and attribute.get("Value"):
            creators[tag[:4] + tag[6:]] = attribute["Value"][0]
        creator = creators.get(tag[:6]) if int(tag[3], 16) % 2 else None
        name = f"{tag[:4]} {creator} {tag[6:]}" if creator else tag
        named[name] = {**attribute}
        if "Value" in attribute:
            named[name]["Value"] = [_expected(value, attribute["vr"]) for value in attribute["Value"]]
    return named


def _expected(value: Any, vr: str) -> Any:  # Any: DICOM JSON
    if vr == "SQ":
        return expected(value)
    if vr == "PN" and value is not None:
        return {name: text.rstrip("^") for name, text in value.items() if text.rstrip("^")} or None
    return _comparable(_legible(value), vr)


def _legible(value: Any) -> Any:  # Any: DICOM JSON
    """XML 1.0 has no control characters; those that were there are seen to have been."""
    if not isinstance(value, str):
        return value
    return "".join("\ufffd" if ord(letter) < 32 and letter not in "\t\r\n" else letter for letter in value)


@pytest.mark.filterwarnings("ignore")
def test_every_file_says_the_same_in_both_models() -> None:
    compared = 0
    for path in files():
        record = dicomjson.encode(pydicom.dcmread(path), instance_path=PATH, base=BASE)
        document = b"".join(nativexml.encode(record))
        assert read(ElementTree.fromstring(document)) == expected(json.loads(record)), path
        compared += 1
    assert compared > 100


def test_a_name_comes_apart_in_groups_and_components() -> None:
    name = {"Alphabetic": "Yamada^Tarou^^Dr.^Jr.^more", "Ideographic": "山田^太郎", "Phonetic": "^^"}
    (person,) = written({"00100010": {"vr": "PN", "Value": [name]}})[0]
    told = {
        group.tag.removeprefix(_SPACE): [(one.tag.removeprefix(_SPACE), one.text) for one in group] for group in person
    }
    assert told == {
        "Alphabetic": [
            ("FamilyName", "Yamada"),
            ("GivenName", "Tarou"),
            ("NamePrefix", "Dr."),
            ("NameSuffix", "Jr.^more"),
        ],
        "Ideographic": [("FamilyName", "山田"), ("GivenName", "太郎")],
    }


def test_root_and_elements_are_named_as_the_model_has_them() -> None:
    root = written({"00100020": {"vr": "LO", "Value": ["1"]}})
    (element,) = root
    assert root.tag == f"{_SPACE}NativeDicomModel"
    assert element.attrib == {"tag": "00100020", "vr": "LO", "keyword": "PatientID"}


def test_private_elements_name_their_creator_instead_of_their_block() -> None:
    members = {"00090010": {"vr": "LO", "Value": ["ACME"]}, "00091002": {"vr": "SH", "Value": ["x"]}}
    creator, element = written(members)
    assert creator.attrib == {"tag": "00090010", "vr": "LO"}
    assert element.attrib == {"tag": "00090002", "vr": "SH", "privateCreator": "ACME"}


def test_private_elements_without_a_creator_keep_their_tag() -> None:
    (element,) = written({"00091002": {"vr": "UN", "InlineBinary": "AAAA"}})
    assert element.attrib == {"tag": "00091002", "vr": "UN"}


def test_empty_values_keep_the_place_of_the_others() -> None:
    root = written({"00080008": {"vr": "CS", "Value": ["ORIGINAL", None, "AXIAL"]}})
    assert [(child.attrib["number"], child.text) for child in root[0]] == [
        ("1", "ORIGINAL"),
        ("2", None),
        ("3", "AXIAL"),
    ]


def test_items_may_be_empty_and_lie_in_each_other() -> None:
    inner = {"00081150": {"vr": "UI", "Value": ["1.2"]}, "00081199": {"vr": "SQ", "Value": [{}]}}
    members = {"00081140": {"vr": "SQ", "Value": [{}, inner]}, "00081198": {"vr": "SQ"}}
    assert read(written(members)) == members


def test_other_spellings_of_the_model_are_read_too() -> None:
    members = {"00081140": {"Value": [{"00081150": {"Value": ["1.2"], "vr": "UI"}}, None], "vr": "SQ"}}
    assert read(written(members))["00081140"]["Value"] == [{"00081150": {"vr": "UI", "Value": ["1.2"]}}, {}]


@pytest.mark.parametrize("text", ["a\r\nb", " <&>\"'] ]]> ", "x\x0cy\x1bz\x00", "\ufffe\ud800"])
def test_any_text_makes_a_document_that_reads_back(text: str) -> None:
    root = written({"00104000": {"vr": "LT", "Value": [text]}})
    legible = "".join("\ufffd" if letter in "\x0c\x1b\x00\ufffe\ud800" else letter for letter in text)
    assert root[0][0].text == legible


def test_text_cannot_become_markup() -> None:
    hostile = '"><BulkData uri="http://elsewhere/"/>\r\n'
    members = {"00090010": {"vr": "LO", "Value": [hostile]}, "00091001": {"vr": "OB", "BulkDataURI": hostile}}
    root = written(members)
    assert len(root.findall(".//*")) == 4 and root[1][0].attrib["uri"].startswith('"><BulkData')


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.5, "1.5"), (2.0, "2"), (1e15, "1000000000000000"), (-1e15, "-1E+15"), (3, "3"), ("1.50", "1.50")],
)
def test_numbers_stay_decimal_strings(value: object, text: str) -> None:
    assert written({"00180050": {"vr": "DS", "Value": [value]}})[0][0].text == text


def test_what_is_no_data_set_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        list(nativexml.encode(b"[1]"))


def test_a_large_sequence_leaves_in_pieces() -> None:
    items = [raw((0x00081150, "UI", b"1.2.840.10008.5.1.4.1.1.2")) for _ in range(20_000)]
    ds = raw()
    ds.add_new(0x00081140, "SQ", items)
    pieces = list(nativexml.encode(dicomjson.encode(ds, instance_path=PATH, base=BASE)))
    assert max(map(len, pieces)) < 70_000 and b"".join(pieces).count(b"<Item ") == 20_000
