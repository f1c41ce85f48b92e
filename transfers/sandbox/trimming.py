"""Cut long values out of a DICOM file as it streams by, so that a small file with the same header remains.

What is left is a valid file with every element in its place (PS3.5 Section 7): pixel data hold eight zeros,
and any other binary value longer than CUT its first KEEP octets. The scanner has checked every length
before (transfers/formats/part10.py). Elements of undefined length are walked, the others are stepped over.
"""

import struct
from typing import Final

from pydicom._dicom_dict import DicomDictionary

from transfers.formats import filemeta, part10

CUT: Final = 1 << 20
KEEP: Final = 1 << 13
# A document is looked through for what it might do (Encapsulated Document, PS3.3 Section C.24.2).
ENCAPSULATED_DOCUMENT: Final = 0x00420011
MAX_DOCUMENT: Final = 256 << 20

_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_PIXEL_DATA = 0x7FE00010
_PIXELS = frozenset({_PIXEL_DATA, 0x7FE00008, 0x7FE00009})
_NO_PIXELS = bytes(8)
# Encapsulated pixel data without a frame: an empty offset table (PS3.5 Annex A.4).
_NO_FRAGMENTS = bytes.fromhex("feff00e000000000feffdde000000000")
_BINARY = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"UN"})
# PS3.5 Table 7.1-2.
_SHORT = frozenset(b"AEASATCSDADSDTFDFLISLOLTPNSHSLSSSTTMUIULUS"[at : at + 2] for at in range(0, 42, 2))
_TEXT_OR_SEQUENCE = frozenset(
    tag for tag, entry in DicomDictionary.items() if not any(vr.encode() in _BINARY for vr in entry[0].split(" or "))
)


class Trimmer:
    """Feed it a file from its first octet; `kept` is what remains. Deflated data sets are kept whole."""

    def __init__(self, *, transfer_syntax_uid: str, dataset_offset: int) -> None:
        self.kept = bytearray()
        self._implicit = transfer_syntax_uid == part10.IMPLICIT_LITTLE
        self._order = ">" if transfer_syntax_uid == part10.EXPLICIT_BIG else "<"
        self._short = struct.Struct(f"{self._order}HH2sH")
        self._long = struct.Struct(f"{self._order}HHI")
        self._whole = transfer_syntax_uid in filemeta.DEFLATED
        # What is to come: octets to keep, then octets to drop, then the head of an element.
        self._keep, self._drop = dataset_offset, 0
        self._pending = b""
        # What undefined lengths opened: True for the items of a sequence, False for the elements of an item,
        # None for fragments. An item inside undefined UN is implicit (PS3.5 Section 6.2.2).
        self._open: list[tuple[bool | None, bool]] = []

    def feed(self, chunk: bytes) -> None:
        if self._whole:
            self.kept += chunk
            return
        data, at = (self._pending + chunk, 0) if self._pending else (chunk, 0)
        while True:
            at = self._pass_by(data, at)
            if self._keep or self._drop:
                self._pending = b""
                return
            head = self._head(data, at)
            if head == 0:
                self._pending = data[at:]
                return
            at += head

    def _pass_by(self, data: bytes, at: int) -> int:
        if self._keep:
            taken = min(self._keep, len(data) - at)
            self.kept += data[at : at + taken]
            self._keep -= taken
            at += taken
        if self._drop and not self._keep:
            dropped = min(self._drop, len(data) - at)
            self._drop -= dropped
            at += dropped
        return at

    def _head(self, data: bytes, at: int) -> int:
        """Deal with the head of an element or item; its length, 0 if more is needed."""
        if len(data) - at < 8:
            return 0
        is_sequence, implicit = self._open[-1] if self._open else (False, self._implicit)
        group, number, length = self._long.unpack_from(data, at)
        tag = group << 16 | number
        if is_sequence is None:
            return self._fragment(data, at, tag, length)
        if group == 0xFFFE:
            return self._delimiter(data, at, tag, length, implicit=implicit)
        return self._element(data, at, tag, implicit=implicit)

    def _fragment(self, data: bytes, at: int, tag: int, length: int) -> int:
        if tag == _SEQUENCE_END:
            self._open.pop()
        else:
            self._drop = length
        return 8

    def _delimiter(self, data: bytes, at: int, tag: int, length: int, *, implicit: bool) -> int:
        self.kept += data[at : at + 8]
        if tag == _ITEM and length == _UNDEFINED:
            self._open.append((False, implicit))
        elif tag == _ITEM:
            self._keep = length
        elif self._open:
            self._open.pop()
        return 8

    def _element(self, data: bytes, at: int, tag: int, *, implicit: bool) -> int:
        size, vr = 8, b""
        if implicit:
            length = self._long.unpack_from(data, at)[2]
        else:
            vr, length = self._short.unpack_from(data, at)[2:]
            if vr not in _SHORT and vr.isalpha() and vr.isupper():
                if len(data) - at < 12:
                    return 0
                size, length = 12, int.from_bytes(data[at + 8 : at + 12], "little" if self._order == "<" else "big")
        head = data[at : at + size]
        if length == _UNDEFINED:
            self._enter(head, tag, vr, implicit=implicit)
        elif tag in _PIXELS and not self._open:
            self._replace(head, min(length, 8), length, implicit=implicit, placeholder=_NO_PIXELS)
        elif self._is_cut(tag, vr, length):
            self._replace(head, KEEP, length, implicit=implicit)
        else:
            self.kept += head
            self._keep = length
        return size

    def _enter(self, head: bytes, tag: int, vr: bytes, *, implicit: bool) -> None:
        self.kept += head
        if tag == _PIXEL_DATA and vr != b"SQ":
            self.kept += _NO_FRAGMENTS
            self._open.append((None, implicit))
        else:
            self._open.append((True, implicit or vr == b"UN"))

    def _replace(self, head: bytes, kept: int, length: int, *, implicit: bool, placeholder: bytes = b"") -> None:
        """Write the head with a shorter length; the value is the placeholder or what comes first of it."""
        width = 2 if len(head) == 8 and not implicit else 4
        self.kept += head[:-width] + kept.to_bytes(width, "little" if self._order == "<" else "big")
        if placeholder:
            self.kept += placeholder[:kept]
            self._drop = length
        else:
            self._keep, self._drop = kept, length - kept

    def _is_cut(self, tag: int, vr: bytes, length: int) -> bool:
        if length <= (MAX_DOCUMENT if tag == ENCAPSULATED_DOCUMENT else CUT):
            return False
        return vr in _BINARY if vr else tag not in _TEXT_OR_SEQUENCE
