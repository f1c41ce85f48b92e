"""Write the DICOM JSON Model as the Native DICOM Model in XML (DICOM PS3.19 Section A.1; PS3.18 Section F.2).

The text of a data set is walked once, attribute by attribute, and never parsed as a whole: memory is bounded by the
text and the largest of its values, never by how many items a sequence holds.
"""

import json
from collections.abc import Generator, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from pydicom.datadict import keyword_for_tag

NAMESPACE: Final = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
MEDIA_TYPE: Final = "application/dicom+xml"

_HEAD: Final = f'<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">'
_SEQUENCE: Final = '{"vr":"SQ","Value":['
_DECODER: Final = json.JSONDecoder()
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_COMPONENTS: Final = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_CHUNK: Final = 1 << 16  # characters that leave together
_DECIMAL_LENGTH: Final = 16  # of VR DS, PS3.5 Table 6.2-1

# XML 1.0 has no way to write these; a carriage return that is not escaped would be read as a line feed.
_ESCAPES: Final = {
    **dict.fromkeys((*range(0x20), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF), "\ufffd"),
    ord("\t"): "\t",
    ord("\n"): "\n",
    ord("\r"): "&#13;",
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
}

_IN_QUOTES: Final = {**_ESCAPES, ord('"'): "&quot;", ord("\t"): "&#9;", ord("\n"): "&#10;"}

# Yields text, returns the place behind what it has read.
_Walk = Generator[str, None, int]


def encode(record: bytes) -> Iterator[bytes]:
    """One XML document of a data set in the DICOM JSON Model, in UTF-8.

    `record` is written without spaces, as transfers/formats/dicomjson.py does. Raises ValueError for what is no
    such text.
    """
    waiting, held = [_HEAD], 0
    for piece in _data_set(record.decode(), 0):
        waiting.append(piece)
        held += len(piece)
        if held >= _CHUNK:
            yield "".join(waiting).encode()
            waiting, held = [], 0
    yield ("".join(waiting) + "</NativeDicomModel>\n").encode()


def encode_members(members: Mapping[str, Any]) -> bytes:  # Any: DICOM JSON
    """The same of a data set that is small, and parsed already."""
    text = json.dumps(members, separators=(",", ":"))
    return b"".join(encode(text.encode()))


def _data_set(text: str, at: int) -> _Walk:
    at = _past(text, at, "{")
    creators: dict[str, str] = {}  # by group and block (PS3.5 Section 7.8.1)
    while not text.startswith("}", at):
        at += text.startswith(",", at)
        tag = text[at + 1 : at + 9]
        at = yield from _attribute(text, _past(text, at + 9, '":'), tag, creators)
    return at + 1


def _attribute(text: str, at: int, tag: str, creators: dict[str, str]) -> _Walk:
    if not text.startswith(_SEQUENCE, at):
        members, at = _DECODER.raw_decode(text, at)
        _note_creator(tag, members, creators)
        yield f"{_opening(tag, members['vr'], creators)}{''.join(_values(members))}</DicomAttribute>"
        return at
    yield _opening(tag, "SQ", creators)
    at += len(_SEQUENCE)
    number = 0
    while not text.startswith("]", at):
        number += 1
        yield f'<Item number="{number}">'
        at = yield from _data_set(text, at + text.startswith(",", at))
        yield "</Item>"
    yield "</DicomAttribute>"
    return _past(text, at, "]}")


def _past(text: str, at: int, expected: str) -> int:
    if not text.startswith(expected, at):
        raise ValueError("not a data set in the DICOM JSON Model")
    return at + len(expected)


def _note_creator(tag: str, members: Mapping[str, Any], creators: dict[str, str]) -> None:  # Any: DICOM JSON
    if _is_private(tag) and tag[4:6] == "00" and members.get("Value"):
        creators[tag[:4] + tag[6:]] = str(members["Value"][0] or "")


def _opening(tag: str, vr: str, creators: Mapping[str, str]) -> str:
    """PS3.19 Table A.1.5-2: the block of a private element says nothing once its creator is named, and is 00."""
    if not _is_private(tag):
        keyword = keyword_for_tag(int(tag, 16))
        return f'<DicomAttribute tag="{tag}" vr="{vr}"' + (f' keyword="{keyword}">' if keyword else ">")
    creator = creators.get(tag[:6], "")
    if not creator:
        return f'<DicomAttribute tag="{tag}" vr="{vr}">'
    return f'<DicomAttribute tag="{tag[:4]}00{tag[6:]}" vr="{vr}" privateCreator="{creator.translate(_IN_QUOTES)}">'


def _is_private(tag: str) -> bool:
    return int(tag[3], 16) % 2 == 1


def _values(members: Mapping[str, Any]) -> Iterator[str]:  # Any: DICOM JSON
    if "BulkDataURI" in members:
        yield f'<BulkData uri="{members["BulkDataURI"].translate(_IN_QUOTES)}"/>'
    elif "InlineBinary" in members:
        yield f"<InlineBinary>{members['InlineBinary']}</InlineBinary>"
    elif members["vr"] == "SQ":
        yield from (_item(number, one) for number, one in enumerate(members.get("Value") or (), 1))
    elif members["vr"] == "PN":
        yield from (_person_name(number, one) for number, one in enumerate(members.get("Value") or (), 1))
    else:
        for number, one in enumerate(members.get("Value") or (), 1):
            yield f'<Value number="{number}">{_plain(one)}</Value>'


def _item(number: int, item: Mapping[str, Any] | None) -> str:  # Any: DICOM JSON
    text = json.dumps(item or {}, separators=(",", ":"))
    return f'<Item number="{number}">{"".join(_data_set(text, 0))}</Item>'


def _plain(value: object) -> str:
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    return _number(value) if isinstance(value, float) else "" if value is None else str(value)


def _number(value: float) -> str:
    """As short as it can be, so that a decimal string stays one."""
    text = repr(value).removesuffix(".0")
    return text if len(text) <= _DECIMAL_LENGTH else min(text, f"{Decimal(text).normalize():E}", key=len)


def _person_name(number: int, name: Mapping[str, str] | None) -> str:
    """PS3.19 Table A.1.5-2: component groups, and the components of each by their names."""
    groups = [(group, _components((name or {}).get(group, ""))) for group in _GROUPS]
    told = "".join(f"<{group}>{components}</{group}>" for group, components in groups if components)
    return f'<PersonName number="{number}">{told}</PersonName>'


def _components(group: str) -> str:
    """What follows a fifth caret stays with the last component, so that nothing of a name is lost."""
    parts = group.translate(_ESCAPES).split("^", len(_COMPONENTS) - 1)
    return "".join(f"<{name}>{part}</{name}>" for name, part in zip(_COMPONENTS, parts, strict=False) if part)
