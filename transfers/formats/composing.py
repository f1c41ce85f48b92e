"""Write a data set of the DICOM JSON Model in Explicit VR Little Endian (DICOM PS3.18 Annex F; PS3.5 Sections 6 and 7).

What a BulkDataURI stands for is left open: between the octets stands a Bulk, which says what is to follow. Texts become
UTF-8, and (0008,0005) says so where one needs it. Runs in the sandbox.
"""

import base64
import binascii
import math
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from transfers.formats import explicit

MAX_DEPTH: Final = 32
UTF8: Final = "ISO_IR 192"
CHARACTER_SET: Final = 0x00080005

_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_NUMBERS: Final = {"FD": "d", "FL": "f", "SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q"}
_BINARY: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
# PS3.5 Table 6.2-1: what pads a value to an even length, and which values are one text whatever it holds.
_TEXTS: Final = frozenset({"AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"})
_SINGLE: Final = frozenset({"LT", "ST", "UR", "UT"})
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_DECIMAL_LENGTH: Final = 16
_NOT_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_UNICODE: Final = {"vr": "CS", "Value": [UTF8]}
_NAMABLE: Final = frozenset({*_BINARY, *_TEXTS, *_NUMBERS, "AT", "DS", "IS"})
_MEMBERS: Final = frozenset({"Value", "BulkDataURI", "InlineBinary"})
_ITEM: Final = struct.pack("<HHI", 0xFFFE, 0xE000, explicit.UNDEFINED)
_ITEM_END: Final = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
_SEQUENCE_END: Final = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)

Members = Mapping[str, Any]  # Any: DICOM JSON from outside
Value = Any  # DICOM JSON from outside


class Unwritable(ValueError):
    """An attribute that is no data element; `tag` says which, and holds no value."""

    def __init__(self, tag: str) -> None:
        self.tag = tag if _TAG.fullmatch(tag) else ""
        super().__init__(self.tag)


@dataclass(frozen=True, slots=True)
class Bulk:
    """The place of a whole element whose value comes as a part of its own; nested ones are not at the top level."""

    uri: str
    tag: int
    vr: str
    is_nested: bool


Piece = bytes | Bulk


def compose(members: Members) -> list[Piece]:
    """The elements of a data set in the order of their tags; raises Unwritable.

    Group 0002 and group lengths are left out: the one belongs to the file, the others would be wrong.

    References: PS3.18 Section F.2, PS3.5 Section 7.1.
    """
    writer = _Writer()
    pieces = list(writer.data_set(members, depth=0))
    if writer.needs_unicode:
        pieces = list(_Writer(is_unicode=True).data_set({**_without(members), "00080005": _UNICODE}, depth=0))
    return _joined(pieces)


def _without(members: Members) -> Members:
    return {name: attribute for name, attribute in members.items() if name != "00080005"}


class _Writer:
    def __init__(self, *, is_unicode: bool = False) -> None:
        self.needs_unicode, self._is_unicode = False, is_unicode

    def data_set(self, members: Members, *, depth: int) -> Iterator[Piece]:
        if not isinstance(members, dict) or depth > MAX_DEPTH:
            raise Unwritable("")
        named: dict[int, tuple[str, Value]] = {}
        for name, attribute in members.items():
            if not _TAG.fullmatch(name) or int(name, 16) in named:
                raise Unwritable(name)
            named[int(name, 16)] = (name, attribute)
        for tag, (name, attribute) in sorted(named.items()):
            if tag >> 16 == 2 or not tag & 0xFFFF or (depth and self._is_unicode and tag == CHARACTER_SET):
                continue
            yield from self._element(tag, name, attribute, depth)

    def _element(self, tag: int, name: str, attribute: Value, depth: int) -> Iterator[Piece]:
        if not isinstance(attribute, dict) or len(_MEMBERS & set(attribute)) > 1:
            raise Unwritable(name)
        vr = attribute.get("vr")
        if not isinstance(vr, str):
            raise Unwritable(name)
        if vr == "SQ":
            yield from self._sequence(tag, name, attribute, depth)
        elif "BulkDataURI" in attribute:
            uri = attribute["BulkDataURI"]
            if not isinstance(uri, str) or not uri or vr not in _NAMABLE:
                raise Unwritable(name)
            yield Bulk(uri, tag, vr, is_nested=depth > 0)
        else:
            value = self._value(vr, name, attribute)
            value += (b" " if (vr in _TEXTS and vr != "UI") or vr in ("DS", "IS") else b"\0") * (len(value) % 2)
            if len(value) >= explicit.UNDEFINED:
                raise Unwritable(name)
            yield explicit.element_head(tag, vr, len(value)) + value

    def _sequence(self, tag: int, name: str, attribute: Value, depth: int) -> Iterator[Piece]:
        items = attribute.get("Value", [])
        if not isinstance(items, list) or "BulkDataURI" in attribute or "InlineBinary" in attribute:
            raise Unwritable(name)
        yield explicit.element_head(tag, "SQ", explicit.UNDEFINED)
        for item in items:
            yield _ITEM
            yield from self.data_set({} if item is None else item, depth=depth + 1)
            yield _ITEM_END
        yield _SEQUENCE_END

    def _value(self, vr: Value, name: str, attribute: Value) -> bytes:
        try:
            if "InlineBinary" in attribute:
                return _octets(vr, attribute["InlineBinary"])
            values = attribute.get("Value", [])
            if not isinstance(values, list) or (vr in _BINARY and values):
                raise Unwritable(name)
            if vr == "AT":
                return b"".join(_tag(value) for value in values)
            if vr in _NUMBERS:
                return b"".join(_number(_NUMBERS[vr], value) for value in values)
            if vr in _BINARY:
                return b""
            return self._text(_WRITERS[vr], values, is_single=vr in _SINGLE)
        except (KeyError, TypeError, ValueError, struct.error, OverflowError, InvalidOperation):
            raise Unwritable(name) from None

    def _text(self, write: Callable[[Value], str], values: Sequence[Value], *, is_single: bool) -> bytes:
        parts = ["" if value is None else write(value) for value in values]
        if (is_single and len(parts) > 1) or (not is_single and any("\\" in part for part in parts)):
            raise ValueError
        text = "\\".join(parts)
        self.needs_unicode = self.needs_unicode or not text.isascii()
        return text.encode()


def _octets(vr: Value, text: Value) -> bytes:
    """PS3.18 Section F.2.7."""
    if vr not in _BINARY or not isinstance(text, str):
        raise ValueError
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError from None


def _number(code: str, value: Value) -> bytes:
    if isinstance(value, bool):
        raise ValueError
    if code in "df":
        number = _NOT_FINITE[value] if isinstance(value, str) else float(value)
        return struct.pack(f"<{code}", number)
    if isinstance(value, float) and not value.is_integer():
        raise ValueError
    return struct.pack(f"<{code}", int(value))


def _tag(value: Value) -> bytes:
    if not isinstance(value, str) or not _TAG.fullmatch(value):
        raise ValueError
    return struct.pack("<HH", int(value[:4], 16), int(value[4:], 16))


def _string(value: Value) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError
    return value


def _decimal(value: Value) -> str:
    """DS: sixteen characters at most (PS3.5 Table 6.2-1), so a longer number is rounded to what fits."""
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError
    text = repr(value).removesuffix(".0")
    digits = _DECIMAL_LENGTH
    while len(text) > _DECIMAL_LENGTH:
        digits -= 1
        text = f"{Decimal(repr(value)):.{digits}g}"
    return text


def _integer(value: Value) -> str:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bool) or not (isinstance(value, int) or float(value).is_integer()):
        raise ValueError
    return str(int(value))


def _name(value: Value) -> str:
    """PS3.18 Section F.2.2: component groups by name, or, of older writers, the whole name as text."""
    if isinstance(value, str):
        return _string(value)
    if not set(value) <= set(_GROUPS):
        raise ValueError
    groups = [_string(value.get(group) or "") for group in _GROUPS]
    return "=".join(groups).rstrip("=")


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    joined: list[Piece] = []
    run: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            run.append(piece)
            continue
        joined += [b"".join(run), piece]
        run = []
    return [*joined, b"".join(run)]


_WRITERS: Final[dict[str, Callable[[Value], str]]] = {
    **dict.fromkeys(_TEXTS, _string),
    "DS": _decimal,
    "IS": _integer,
    "PN": _name,
}
