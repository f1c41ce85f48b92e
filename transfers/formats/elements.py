"""Walk the elements of an encoded data set as its octets arrive (DICOM PS3.5 Section 7).

One pass, an explicit stack, every length checked against what encloses it. Values are stepped over
by arithmetic; only those asked for are kept, each below its own cap. Sequences are descended into
whether their length is given or not, so that depth and lengths hold for the whole data set: at 0.3 µs
an element that is less than storing it costs. Values without a known structure (private UN, unknown
tags in implicit VR) are opaque.
"""

import struct
from array import array
from collections.abc import Mapping
from dataclasses import dataclass

from pydicom._dicom_dict import DicomDictionary

from transfers import errors

MAX_DEPTH = 64
MAX_TABLE = 8 << 20  # octets of an offset table: a million frames
MAX_FRAGMENTS = 1 << 20  # beyond that the place of single frames is unknown, the instance still welcome
PLAIN = 64  # octets of a value that is kept without ado
UNDEFINED = 0xFFFFFFFF
UNBOUNDED = 1 << 62

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA = 0x7FE00010
PIXEL_TAGS = frozenset({PIXEL_DATA, 0x7FE00008, 0x7FE00009})
EXTENDED_OFFSETS, EXTENDED_LENGTHS = 0x7FE00001, 0x7FE00002
ISSUER_OF_ACCESSION = 0x00080051
SERIES_INSTANCE_UID = 0x0020000E

# PS3.5 Table 7.1-2: explicit VRs with a 16-bit length. All others, future ones too, have 32 bits.
_SHORT = frozenset(b"AEASATCSDADSDTFDFLISLOLTPNSHSLSSSTTMUIULUS"[at : at + 2] for at in range(0, 42, 2))
_SEQUENCES = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] == "SQ")
_STRUCTURE = dict.fromkeys([ITEM, ITEM_END, SEQUENCE_END, PIXEL_DATA], 0)
_TOP_STRUCTURE = {**_STRUCTURE, **dict.fromkeys([*PIXEL_TAGS, EXTENDED_OFFSETS, EXTENDED_LENGTHS], 0)}
_ISSUER = {**_STRUCTURE, 0x00400031: 1024, 0x00400032: 1024}
_NO_TAGS: frozenset[int] = frozenset()
_NEVER = 1 << 33  # greater than every tag
_ELEMENTS, _ITEMS, _FRAGMENTS = range(3)

Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True)
class PixelData:
    """Where the pixels lie: offsets of element and value, and the length, None if encapsulated."""

    tag: int
    offset: int
    value_offset: int
    length: int | None


class Wanted:
    """Which values of the top level are kept, and up to how many octets; made once, used for every file."""

    def __init__(self, caps: Mapping[int, int]) -> None:
        self.caps = {**_TOP_STRUCTURE, **caps}
        plain = [tag for tag, cap in caps.items() if cap >= PLAIN]
        self.early = frozenset(tag for tag in plain if tag < SERIES_INSTANCE_UID)
        self.late = frozenset(tag for tag in plain if tag > SERIES_INSTANCE_UID)


class _Level:
    """What encloses the present position. `end` is inherited where the length is undefined."""

    __slots__ = ("big", "delimited", "end", "implicit", "kind", "notable")

    def __init__(
        self,
        kind: int,
        end: int,
        *,
        implicit: bool,
        big: bool,
        notable: Mapping[int, int],
        delimited: bool = False,
    ) -> None:
        self.kind = kind
        self.end = end
        self.delimited = delimited
        self.implicit = implicit
        self.big = big
        self.notable = notable


class Walker:
    """Feed it the data set; it collects `values` (by tag), `pixels` and the places of fragments.

    `routed` turns true when everything up to Series Instance UID has passed at the top level.
    """

    def __init__(self, *, offset: int, limit: int | None, implicit: bool, big: bool, wanted: Wanted) -> None:
        self.values: dict[int, bytes] = {}
        self.issuer: dict[int, bytes] = {}
        self.pixels: PixelData | None = None
        self.tables: dict[int, bytearray] = {}
        self.fragment_offsets = array("Q")
        self.fragment_lengths = array("I")
        self.big = big
        self.routed = False
        self._base = offset  # place in the file of the first octet that has not been seen
        self._limit = UNBOUNDED if limit is None else limit
        self._levels = [_Level(_ELEMENTS, self._limit, implicit=implicit, big=big, notable=wanted.caps)]
        self._wanted = wanted
        self._depth = 0
        self._skip = 0
        self._sink: bytearray | None = None
        self._pending = b""
        self._recording = False

    def feed(self, chunk: Buffer) -> None:
        size, at = len(chunk), self._skip
        if at:
            if self._sink is not None:
                self._sink += chunk[:at]
            if at >= size:
                self._skip -= size
                self._base += size
                return
            self._skip, self._sink = 0, None
        data = chunk
        if self._pending:
            data = self._pending + bytes(chunk)
            self._base -= len(self._pending)
        at = self._walk(data, at)
        self._skip = max(0, at - len(data))
        self._pending = bytes(data[at:])
        self._base += len(data)

    def finish(self) -> None:
        """Check that the data set ended between two elements of its top level."""
        if self._skip or self._pending or len(self._levels) > 1:
            raise errors.TruncatedInstance
        self.routed = True

    def _walk(self, data: Buffer, at: int) -> int:
        """Consume what is whole; the place returned may lie behind the data, never behind its level."""
        while True:
            level = self._levels[-1]
            end = level.end - self._base
            if at == end and len(self._levels) > 1:
                if level.delimited:
                    raise self._overrun(level.end)
                self._leave(level)
                continue
            was = at
            if level.kind != _ELEMENTS:
                at = self._item(data, at, end)
            elif level.implicit:
                at = self._implicit(data, at, end, level)
            else:
                at = self._explicit(data, at, end, level)
            if at == was and level is self._levels[-1]:
                if end - at < 8 and at < end:
                    raise self._overrun(level.end)
                return at

    def _explicit(self, data: Buffer, at: int, end: int, level: _Level) -> int:
        unpack = (_EXPLICIT_BIG if level.big else _EXPLICIT).unpack_from
        notable, short, values = level.notable, _SHORT, self.values
        mark, plain = self._mark(), self._plain()
        last = min(len(data), end) - 8
        while at <= last:
            group, number, vr, length = unpack(data, at)
            tag = group << 16 | number
            # The usual case of a value to keep, in short: `_keep` says what else there is to check.
            if tag in plain and vr in short and tag not in values and length <= PLAIN and at + length <= last:
                values[tag] = bytes(data[at + 8 : at + 8 + length])
                at += 8 + length
                continue
            if vr not in short or tag in notable or tag > mark or group < 4:
                after = self._notable(data, at, tag, vr, level)
                if after < 0 or self._levels[-1] is not level:
                    return max(at, after)
                at, mark, plain = after, self._mark(), self._plain()
                continue
            at += 8 + length
            if at > end:
                raise self._overrun(level.end)
        return at

    def _implicit(self, data: Buffer, at: int, end: int, level: _Level) -> int:
        unpack, sequences = _IMPLICIT.unpack_from, _SEQUENCES
        notable, values = level.notable, self.values
        mark, plain = self._mark(), self._plain()
        last = min(len(data), end) - 8
        while at <= last:
            group, number, length = unpack(data, at)
            tag = group << 16 | number
            if tag in plain and tag not in values and length <= PLAIN and at + length <= last:
                values[tag] = bytes(data[at + 8 : at + 8 + length])
                at += 8 + length
                continue
            if length == UNDEFINED or tag in sequences or tag in notable or tag > mark or group < 4:
                after = self._notable(data, at, tag, b"", level)
                if after < 0 or self._levels[-1] is not level:
                    return max(at, after)
                at, mark, plain = after, self._mark(), self._plain()
                continue
            at += 8 + length
            if at > end:
                raise self._overrun(level.end)
        return at

    def _plain(self) -> frozenset[int]:
        """Tags whose short values can be kept without further question at this place."""
        if len(self._levels) > 1:
            return _NO_TAGS
        return self._wanted.late if self.routed else self._wanted.early

    def _mark(self) -> int:
        return SERIES_INSTANCE_UID if len(self._levels) == 1 and not self.routed else _NEVER

    def _notable(self, data: Buffer, at: int, tag: int, vr: bytes, level: _Level) -> int:
        """Handle an element that is more than a short value to step over; -1 asks for more data."""
        if tag >> 16 == 0xFFFE:
            return self._end_of_item(data, at, tag, level)
        if tag >> 16 in (0, 2):
            raise errors.MalformedInstance("The data set holds elements of a command or of file meta.")
        head, length = _length(data, at, vr, level)
        value = at + head
        if value > len(data):
            return -1
        if tag > self._mark():
            self.routed = True
        if length == UNDEFINED:
            return self._enter_undefined(tag, vr, at, value, level)
        if value + length > level.end - self._base:
            raise self._overrun(level.end)
        if vr == b"SQ" or (level.implicit and tag in _SEQUENCES):
            self._enter(_ITEMS, self._base + value + length, level, tag=tag)
            return value
        return self._value(data, at, tag, value, length, level)

    def _value(self, data: Buffer, at: int, tag: int, value: int, length: int, level: _Level) -> int:
        cap = level.notable.get(tag, 0)
        if cap:
            return self._keep(data, tag, value, length, cap)
        if len(self._levels) == 1:
            if tag in PIXEL_TAGS:
                self._found_pixels(tag, at, value, length)
            elif tag in (EXTENDED_OFFSETS, EXTENDED_LENGTHS):
                self._collect(tag, data, value, length)
        return value + length

    def _keep(self, data: Buffer, tag: int, value: int, length: int, cap: int) -> int:
        if length > cap:
            raise errors.MalformedInstance("An element that identifies the instance is too long.")
        if value + length > len(data):
            return -1
        values = self.values if len(self._levels) == 1 else self.issuer
        top = values is self.values
        # Readers differ in which of two they take: one patient for us, another for the recipient.
        if top and (tag in values or (self.routed and tag <= SERIES_INSTANCE_UID)):
            raise errors.MalformedInstance("An element that identifies the instance stands out of order.")
        values[tag] = bytes(data[value : value + length])
        self.routed = self.routed or (top and tag == SERIES_INSTANCE_UID)
        return value + length

    def _found_pixels(self, tag: int, at: int, value: int, length: int | None) -> None:
        if self.pixels is not None:
            raise errors.MalformedInstance("The data set holds pixel data twice.")
        self.pixels = PixelData(tag, self._base + at, self._base + value, length)

    def _enter_undefined(self, tag: int, vr: bytes, at: int, value: int, level: _Level) -> int:
        """PS3.5 Section 7.5 and Annex A.4; an undefined UN holds implicit VR (Section 6.2.2)."""
        if tag == PIXEL_DATA and vr != b"SQ":
            self._recording = len(self._levels) == 1
            if self._recording:
                self._found_pixels(tag, at, value, None)
            self._enter(_FRAGMENTS, level.end, level, delimited=True)
        elif vr in (b"SQ", b"UN") or level.implicit:
            self._enter(_ITEMS, level.end, level, delimited=True, tag=tag, unknown=vr == b"UN")
        else:
            raise errors.MalformedInstance("An element that is no sequence has no length.")
        return value

    def _enter(
        self,
        kind: int,
        end: int,
        level: _Level,
        *,
        delimited: bool = False,
        tag: int = 0,
        unknown: bool = False,
    ) -> None:
        if kind != _ELEMENTS:
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise errors.MalformedInstance("Sequences are nested too deeply.")
        issuer = (tag == ISSUER_OF_ACCESSION and len(self._levels) == 1) or level.notable is _ISSUER
        self._levels.append(
            _Level(
                kind,
                end,
                delimited=delimited,
                implicit=level.implicit or unknown,
                big=level.big and not unknown,
                notable=_ISSUER if issuer and len(self._levels) < 3 else _STRUCTURE,
            )
        )

    def _leave(self, level: _Level) -> None:
        if level.kind != _ELEMENTS:
            self._depth -= 1
        self._levels.pop()

    def _end_of_item(self, data: Buffer, at: int, tag: int, level: _Level) -> int:
        if tag != ITEM_END or not level.delimited:
            raise errors.MalformedInstance("A delimiter stands where an element should.")
        self._leave(level)
        return at + 8

    def _item(self, data: Buffer, at: int, end: int) -> int:
        """Read the head of an item or fragment, or the delimiter that ends their row."""
        if min(len(data), end) - at < 8:
            return at
        level = self._levels[-1]
        group, number, length = (_ITEM_BIG if level.big else _IMPLICIT).unpack_from(data, at)
        tag = group << 16 | number
        after = at + 8
        if tag == SEQUENCE_END and level.delimited:
            self._leave(level)
            return after
        if tag != ITEM:
            raise errors.MalformedInstance("A sequence holds something else than items.")
        if level.kind == _FRAGMENTS:
            return self._fragment(data, after, end, length)
        if length == UNDEFINED:
            self._enter(_ELEMENTS, level.end, level, delimited=True)
        elif after + length > end:
            raise self._overrun(level.end)
        else:
            self._enter(_ELEMENTS, self._base + after + length, level)
        return after

    def _fragment(self, data: Buffer, value: int, end: int, length: int) -> int:
        """PS3.5 Annex A.4: the first item is the offset table, the others are fragments of frames."""
        if length == UNDEFINED or value + length > end:
            raise self._overrun(self._levels[-1].end)
        if self._recording:
            if PIXEL_DATA not in self.tables:
                self._collect(PIXEL_DATA, data, value, length)
            elif len(self.fragment_offsets) <= MAX_FRAGMENTS:
                self.fragment_offsets.append(self._base + value)
                self.fragment_lengths.append(length)
        return value + length

    def _collect(self, tag: int, data: Buffer, value: int, length: int) -> None:
        """Keep an offset table, over as many chunks as it takes; too long a one is as good as none."""
        table = self.tables[tag] = bytearray()
        if length <= MAX_TABLE:
            table += data[value : value + length]
            if value + length > len(data):
                self._sink = table

    def _overrun(self, end: int) -> errors.InstanceRefused:
        if end == self._limit:
            return errors.TruncatedInstance()
        return errors.MalformedInstance("An element is longer than the sequence that holds it.")


_EXPLICIT, _EXPLICIT_BIG = struct.Struct("<HH2sH"), struct.Struct(">HH2sH")
_IMPLICIT, _ITEM_BIG = struct.Struct("<HHI"), struct.Struct(">HHI")


def _length(data: Buffer, at: int, vr: bytes, level: _Level) -> tuple[int, int]:
    """Octets of the element's head, and its value length as far as it has arrived."""
    if level.implicit:
        return 8, _IMPLICIT.unpack_from(data, at)[2]
    # Two blanks or zeros in place of a VR come from old equipment, which wrote 16 bits behind them.
    if vr in _SHORT or not vr.isalpha() or not vr.isupper():
        length: int = (_EXPLICIT_BIG if level.big else _EXPLICIT).unpack_from(data, at)[3]
        return 8, length
    if len(data) - at < 12:
        return 12, 0
    return 12, int.from_bytes(data[at + 8 : at + 12], "big" if level.big else "little")
