"""Write uncompressed data sets in Explicit VR Little Endian (DICOM PS3.5 Section 7 and Annex A).

Only this syntax travels over the web unasked (PS3.18 Section 8.7.3.5.2). Values stay as they are, words of Big
Endian swapped; sequences get undefined lengths, for their own may change. Nothing recurses, every length is checked
against what is left, and group lengths, which would be wrong, are left out (PS3.5 Section 7.2).
"""

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from pydicom import datadict

from transfers import errors

UNDEFINED: Final = 0xFFFFFFFF
MAX_DEPTH: Final = 64
_SEQUENCE, _DATA_SET = "sequence", "data set"
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXEL_REPRESENTATION: Final = 0x00280103
# PS3.5 Table 7.1-1: two octets reserved, then a length of four.
_LONG: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
# PS3.5 Section 7.3: the widths of the words that Big Endian turns round.
_WIDTHS: Final = {
    **dict.fromkeys(("AT", "OW", "SS", "US"), 2),
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}
_CODES: Final = {2: "H", 4: "I", 8: "Q"}
_ITEM_HEAD: Final = struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)
_ITEM_TAIL: Final = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
_SEQUENCE_TAIL: Final = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


@dataclass(slots=True)
class _Level:
    """A data set or a sequence that is open; `end` is None where a delimiter ends it."""

    kind: str
    end: int | None
    is_signed: bool = False
    creators: dict[int, str] = field(default_factory=dict)


def convert(data: bytes, *, is_implicit: bool) -> bytes:
    """The elements of a data set, from Implicit VR Little Endian or Explicit VR Big Endian.

    Raises MalformedInstance where they cannot be read to their end.
    """
    return b"".join(_Converter(data, is_implicit=is_implicit).pieces())


def swap_words(value: bytes, width: int) -> bytes:
    """Turn the octets of each word round; what is no whole number of words stays as it is."""
    if width == 1 or len(value) % width:
        return value
    words = array(_CODES[width], value)
    words.byteswap()
    return words.tobytes()


def is_long(vr: str) -> bool:
    """Whether a VR is followed by two reserved octets and a length of four."""
    return vr in _LONG


def word_width(vr: str) -> int:
    """How many octets of a value belong together, 1 where their order does not depend on the syntax."""
    return _WIDTHS.get(vr, 1)


def element_head(tag: int, vr: str, length: int) -> bytes:
    """Tag, VR and length; what is too long for its VR becomes UN (PS3.18 Section 8.7.3.5.2)."""
    group, number = tag >> 16, tag & 0xFFFF
    if vr not in _LONG and length > 0xFFFE:
        vr = "UN"
    if vr in _LONG:
        return struct.pack("<HH2sHI", group, number, vr.encode(), 0, length)
    return struct.pack("<HH2sH", group, number, vr.encode(), length)


class _Converter:
    def __init__(self, data: bytes, *, is_implicit: bool) -> None:
        self._data, self._implicit = data, is_implicit
        order = "<" if is_implicit else ">"
        self._tag, self._short, self._long = (struct.Struct(order + code) for code in ("HH", "H", "I"))
        self._levels = [_Level(_DATA_SET, len(data))]
        self._at = 0

    def pieces(self) -> Iterator[bytes]:
        while self._levels:
            level = self._levels[-1]
            if level.end is not None and self._at >= level.end:
                if self._at > level.end:
                    raise errors.MalformedInstance
                self._levels.pop()
                if self._levels:
                    yield _ITEM_TAIL if level.kind == _DATA_SET else _SEQUENCE_TAIL
            elif level.kind == _SEQUENCE:
                yield self._item(level)
            else:
                yield self._element(level)

    def _item(self, level: _Level) -> bytes:
        tag, length = self._read_tag(), self._read(self._long)
        if tag == _SEQUENCE_END and level.end is None:
            self._levels.pop()
            return _SEQUENCE_TAIL
        if tag != _ITEM:
            raise errors.MalformedInstance
        self._push(_DATA_SET, length, is_signed=level.is_signed)
        return _ITEM_HEAD

    def _element(self, level: _Level) -> bytes:
        tag = self._read_tag()
        if tag == _ITEM_END and level.end is None:
            self._read(self._long)
            self._levels.pop()
            return _ITEM_TAIL
        vr, length = self._read_vr_and_length(tag, level)
        if vr == "SQ":
            self._push(_SEQUENCE, length, is_signed=level.is_signed)
            return element_head(tag, "SQ", UNDEFINED)
        value = self._read_value(length)
        _note(level, tag, value, little=self._implicit)
        if not tag & 0xFFFF:
            return b""
        if not self._implicit:
            value = swap_words(value, word_width(vr))
        return element_head(tag, vr, len(value)) + value

    def _read_vr_and_length(self, tag: int, level: _Level) -> tuple[str, int]:
        if self._implicit:
            length = self._read(self._long)
            return ("SQ" if length == UNDEFINED else _vr_of(tag, level)), length
        vr = self._read_value(2).decode("latin-1")
        if vr not in _LONG:
            return vr, self._read(self._short)
        self._at += 2
        length = self._read(self._long)
        if length == UNDEFINED and vr != "SQ":
            # An unknown sequence in Big Endian: its inside is Implicit Little Endian, or not, as its writer chose.
            raise errors.MalformedInstance
        return vr, length

    def _push(self, kind: str, length: int, *, is_signed: bool) -> None:
        end = None if length == UNDEFINED else self._at + length
        outer = self._levels[-1].end
        if len(self._levels) >= MAX_DEPTH or (end is not None and end > (len(self._data) if outer is None else outer)):
            raise errors.MalformedInstance
        self._levels.append(_Level(kind, end, is_signed))

    def _read_tag(self) -> int:
        self._require(4)
        group, number = self._tag.unpack_from(self._data, self._at)
        self._at += 4
        return int(group) << 16 | int(number)

    def _read(self, form: struct.Struct) -> int:
        self._require(form.size)
        (number,) = form.unpack_from(self._data, self._at)
        self._at += form.size
        return int(number)

    def _read_value(self, length: int) -> bytes:
        self._require(length)
        value = self._data[self._at : self._at + length]
        self._at += length
        return value

    def _require(self, length: int) -> None:
        if self._at + length > len(self._data):
            raise errors.MalformedInstance


def _note(level: _Level, tag: int, value: bytes, *, little: bool) -> None:
    """Keep what decides the VR of later elements."""
    if tag == _PIXEL_REPRESENTATION:
        level.is_signed = int.from_bytes(value[:2], "little" if little else "big") == 1
    elif tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF:
        level.creators[tag & 0xFFFF0000 | (tag & 0xFF) << 8] = value.decode("latin-1").rstrip(" \0")


def _vr_of(tag: int, level: _Level) -> str:
    """The VR that Implicit VR leaves to the dictionary (PS3.5 Annex A.1)."""
    if tag >> 16 & 1:
        if 0x10 <= tag & 0xFFFF <= 0xFF:
            return "LO"
        creator = level.creators.get(tag & 0xFFFFFF00, "")
        return _private_vr(tag, creator) if creator else "UN"
    vr = public_vr(tag)
    return ("SS" if level.is_signed else "US") if vr == "US or SS" else vr


@lru_cache(maxsize=8192)
def public_vr(tag: int) -> str:
    """The dictionary's VR; where it leaves OB or OW open, it is OW (PS3.5 Annex A.1)."""
    if not tag & 0xFFFF:
        return "UL"
    if not datadict.dictionary_has_tag(tag):
        return "UN"
    vr = datadict.dictionary_VR(tag)
    return "OW" if "OW" in vr else vr


@lru_cache(maxsize=8192)
def _private_vr(tag: int, creator: str) -> str:
    try:
        vr = datadict.private_dictionary_VR(tag, creator)
    except KeyError:
        return "UN"
    return vr if len(vr) == 2 else "UN"
