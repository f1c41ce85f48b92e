"""Write a data set as DICOM JSON (DICOM PS3.18 Annex F), bulk data by URI.

URIs are written as a NUL and a path: JSON never holds a NUL of its own, so an answer is made absolute
by replacing one octet. The data set comes from outside: elements are converted one by one, from their
octets where pydicom has not converted them, and one that cannot be read costs only itself.
"""

import base64
import json
import math
import re
import sys
import warnings
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from pydicom import charset
from pydicom.datadict import dictionary_has_tag, dictionary_VR, private_dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.tag import BaseTag
from pydicom.valuerep import PN_DELIMS, STANDARD_VR, TEXT_VR_DELIMS

MAX_DEPTH = 64
CHARACTER_SET, PIXEL_REPRESENTATION = 0x00080005, 0x00280103
UTF8 = "ISO_IR 192"
# Left out of metadata whatever their size: the pixels, and the octets of an encapsulated document.
ALWAYS_BULK = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010, 0x00420011})

_MARK = "\uffff"  # a noncharacter, removed from all texts, that stands for the base of URIs
_BINARY = {"OB": 1, "OD": 8, "OF": 4, "OL": 4, "OV": 8, "OW": 2, "UN": 1}
_NUMBERS = {"FD": "d", "FL": "f", "SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q"}
_ENCODED = frozenset(["LO", "LT", "PN", "SH", "ST", "UC", "UT"])
_KNOWN = frozenset(str(vr) for vr in STANDARD_VR)
_SINGLE = frozenset(["LT", "ST", "UR", "UT"])
_LEADING = frozenset(["AE", "CS", "DS", "IS"])  # leading spaces mean nothing (PS3.5 Section 6.2)
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_INTEGER = re.compile(r"[+-]?[0-9]{1,15}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_SAFE_INTEGER = 1 << 53  # what every JSON reader can hold

Attribute = dict[str, object]


def encode(
    ds: Dataset,
    *,
    instance_path: str,
    base: bytes = b"\x00",
    inline_limit: int = 1024,
    left_out: Mapping[int, str] | None = None,
    notes: list[str] | None = None,
) -> bytes:
    """The data set as one JSON object in UTF-8.

    `instance_path` leads from the base to the instance, `left_out` names the VR of top-level elements
    that were not read but can be fetched as bulk data. `notes` collects the tags of elements that could
    not be converted: they are given as octets, or not at all. (0008,0005) becomes ISO_IR 192 where any
    text needs it, as the text of the answer is Unicode whatever was stored.

    Reference: PS3.18 Section F.2.
    """
    writer = _Writer(inline_limit=inline_limit, notes=[] if notes is None else notes)
    prefix = f"{_MARK}{instance_path.rstrip('/')}/bulkdata"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's warnings quote values
        members = writer.data_set(ds, prefix, _Context(("iso8859",), signed=False, depth=0))
    for tag, vr in (left_out or {}).items():
        members[f"{tag:08X}"] = {"vr": vr, "BulkDataURI": f"{prefix}/{tag:08X}"}
    if writer.needs_unicode:
        members[f"{CHARACTER_SET:08X}"] = {"vr": "CS", "Value": [UTF8]}
    text = json.dumps(dict(sorted(members.items())), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace").replace(_MARK.encode(), base)


@dataclass(frozen=True, slots=True)
class _Context:
    """What a data set hands down to the items inside it."""

    encodings: tuple[str, ...]
    signed: bool
    depth: int


@dataclass(slots=True)
class _Writer:
    inline_limit: int
    notes: list[str]
    needs_unicode: bool = field(default=False)

    def data_set(self, ds: Dataset, prefix: str, outer: _Context) -> dict[str, Attribute]:
        context = _context(ds, outer)
        members: dict[str, Attribute] = {}
        for tag in sorted(ds.keys()):
            if tag.element == 0 or tag.group == 2:
                continue
            attribute: Attribute | None
            try:
                attribute = self._attribute(ds, tag, f"{prefix}/{tag:08X}", context)
            except Exception:
                # Whatever a forged value makes a converter raise, the others must still be seen.
                self.notes.append(f"{tag:08X}")
                attribute = self._as_octets(ds, tag, f"{prefix}/{tag:08X}")
            if attribute is not None:
                members[f"{tag:08X}"] = attribute
        if outer.depth and f"{CHARACTER_SET:08X}" in members:
            members[f"{CHARACTER_SET:08X}"] = {"vr": "CS", "Value": [UTF8]}
            self.needs_unicode = True
        return members

    def _attribute(self, ds: Dataset, tag: BaseTag, uri: str, context: _Context) -> Attribute:
        element = ds.get_item(tag, keep_deferred=True)
        vr = _resolve_vr(ds, tag, element, context)
        if vr == "SQ":
            return self._sequence(ds, tag, uri, context)
        if tag in ALWAYS_BULK and context.depth == 0:
            return {"vr": vr, "BulkDataURI": uri}
        value, little = _octets(element, vr, context)
        if vr in _BINARY:
            return self._binary(vr, value, uri, little=little)
        values = self._values(vr, value, context, little=little)
        return {"vr": vr, "Value": values} if values else {"vr": vr}

    def _sequence(self, ds: Dataset, tag: BaseTag, uri: str, context: _Context) -> Attribute:
        if context.depth >= MAX_DEPTH:
            raise ValueError("too deep")
        inner = _Context(context.encodings, context.signed, context.depth + 1)
        items = [self.data_set(item, f"{uri}/{number}", inner) for number, item in enumerate(ds[tag].value or ())]
        return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}

    def _binary(self, vr: str, value: bytes | None, uri: str, *, little: bool) -> Attribute:
        """PS3.18 Section F.2.7: base64 of the little-endian value field."""
        if value is None or len(value) > self.inline_limit:
            return {"vr": vr, "BulkDataURI": uri}
        if not value:
            return {"vr": vr}
        width = _BINARY[vr]
        if not little and width > 1 and len(value) % width == 0:
            swapped = array({2: "H", 4: "I", 8: "Q"}[width], value)
            swapped.byteswap()
            value = swapped.tobytes()
        return {"vr": vr, "InlineBinary": base64.b64encode(value).decode("ascii")}

    def _as_octets(self, ds: Dataset, tag: BaseTag, uri: str) -> Attribute | None:
        value = getattr(ds.get_item(tag, keep_deferred=True), "value", None)
        return self._binary("UN", value, uri, little=True) if isinstance(value, bytes) else None

    def _values(self, vr: str, value: bytes | None, context: _Context, *, little: bool) -> list[object]:
        if not value:
            return []
        if vr in _NUMBERS:
            return _numbers(_NUMBERS[vr], value, little=little)
        if vr == "AT":
            halves = _numbers("H", value, little=little)
            return [f"{a:04X}{b:04X}" for a, b in zip(halves[::2], halves[1::2], strict=True)]
        text = self._text(vr, value, context)
        parts = [text.rstrip(" ")] if vr in _SINGLE else [part.rstrip(" ") for part in text.split("\\")]
        if vr in _LEADING:
            parts = [part.lstrip(" ") for part in parts]
        convert: Callable[[str], object] = _CONVERT.get(vr, _string)
        return [convert(part) for part in parts] if any(parts) else []

    def _text(self, vr: str, value: bytes, context: _Context) -> str:
        """Decode before splitting: in some character sets a backslash is half of a letter."""
        if value.isascii() and b"\x1b" not in value:
            text = value.decode("ascii")
        elif vr in _ENCODED:
            delimiters = PN_DELIMS if vr == "PN" else TEXT_VR_DELIMS
            text = charset.decode_bytes(value, list(context.encodings), delimiters)
        else:
            text = value.decode("latin-1")
        text = text.replace("\0", "").replace(_MARK, "")
        self.needs_unicode = self.needs_unicode or not text.isascii()
        return text


def _context(ds: Dataset, outer: _Context) -> _Context:
    """A data set's own character set and signedness, or those of what encloses it (PS3.5 Section 7.5.3)."""
    encodings, signed = outer.encodings, outer.signed
    stored = _plain(ds, CHARACTER_SET)
    if stored is not None:
        names = [name.strip() for name in stored.decode("ascii", "replace").rstrip("\0").split("\\")]
        try:
            encodings = tuple(charset.convert_encodings(names))
        except (LookupError, ValueError):
            encodings = ("iso8859",)
    representation = _plain(ds, PIXEL_REPRESENTATION)
    if representation:
        signed = any(representation)
    return _Context(encodings, signed, outer.depth)


def _plain(ds: Dataset, tag: int) -> bytes | None:
    """The octets of a short element, however pydicom holds it."""
    element = ds.get_item(tag, keep_deferred=True) if tag in ds else None
    if element is None:
        return None
    value = element.value
    if isinstance(value, bytes):
        return value
    if isinstance(value, int):
        return bytes([value & 0xFF])
    return "\\".join([value] if isinstance(value, str) else list(value or ())).encode("ascii", "replace")


def _resolve_vr(ds: Dataset, tag: BaseTag, element: RawDataElement | DataElement, context: _Context) -> str:
    """The VR as stored, or from the dictionary where the encoding has none; ambiguous ones decided."""
    vr = element.VR
    if vr in (None, "UN"):
        vr = _dictionary_vr(ds, tag) or "UN"
    if " or " not in vr:
        return vr if vr in _KNOWN else "UN"
    if "OW" in vr:
        # PS3.5 Annex A.4: encapsulated pixel data are OB, native ones in implicit VR are OW.
        return "OB" if getattr(element, "is_undefined_length", False) else "OW"
    return "SS" if context.signed else "US"


def _dictionary_vr(ds: Dataset, tag: BaseTag) -> str | None:
    if tag.is_private_creator:
        return "LO"
    if not tag.is_private:
        return dictionary_VR(tag) if dictionary_has_tag(tag) or tag.group & 0xFF00 in (0x5000, 0x6000) else None
    creator = _plain(ds, tag.group << 16 | tag.element >> 8)
    try:
        return private_dictionary_VR(tag, (creator or b"").decode("ascii", "replace").strip(" \0"))
    except KeyError:
        return None


def _octets(element: RawDataElement | DataElement, vr: str, context: _Context) -> tuple[bytes | None, bool]:
    """The value field and whether it is little-endian; None if it was deferred."""
    if isinstance(element, RawDataElement):
        value = b"" if element.value is None and not element.length else element.value
        return value, element.is_little_endian
    if isinstance(element.value, bytes):
        return element.value, True
    written = DicomBytesIO()
    written.is_little_endian, written.is_implicit_VR = True, True
    write_data_element(written, DataElement(element.tag, vr, element.value), list(context.encodings))
    return written.getvalue()[8:], True


def _numbers(code: str, value: bytes, *, little: bool) -> list[object]:
    numbers = array(code, value)
    if little != (sys.byteorder == "little"):
        numbers.byteswap()
    return [_number(number) for number in numbers]


def _number(number: float) -> object:
    """JSON has no NaN and no infinity, and its readers no integers beyond 2^53: those go as strings."""
    if isinstance(number, int):
        return number if abs(number) <= _SAFE_INTEGER else str(number)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return number


def _string(text: str) -> object:
    return text or None


def _integer_string(text: str) -> object:
    return int(text) if _INTEGER.fullmatch(text) else text or None


def _decimal_string(text: str) -> object:
    """A number where it keeps its value as one, else the string that was stored (PS3.18 Table F.2.3-1)."""
    if _INTEGER.fullmatch(text):
        return int(text)
    if not _DECIMAL.fullmatch(text):
        return text or None
    try:
        number = float(text)
        return number if Decimal(repr(number)) == Decimal(text) else text
    except (InvalidOperation, OverflowError):
        return text


def _person_name(text: str) -> object:
    """PS3.18 Section F.2.2: component groups by name, only those that are there."""
    groups = zip(_GROUPS, text.split("="), strict=False)
    return {name: group.rstrip(" ") for name, group in groups if group.strip(" ")} or None


_CONVERT: dict[str, Callable[[str], object]] = {
    "DS": _decimal_string,
    "IS": _integer_string,
    "PN": _person_name,
}
