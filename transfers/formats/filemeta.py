"""Read preamble and File Meta Information as they arrive (DICOM PS3.10 Section 7.1)."""

import re
import struct

from transfers import errors

PREAMBLE = 132
MAX_FRONT = 1 << 16
MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
# PS3.5 Annex A.5 (Deflated Explicit VR) and the JPIP syntaxes whose data sets are deflated.
DEFLATED = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})

LENGTH, CLASS, INSTANCE, SYNTAX = 0x00020000, 0x00020002, 0x00020003, 0x00020010
_LONG_VRS = frozenset({b"OB", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT"})
_HEAD, _LONG = struct.Struct("<HH2sH"), struct.Struct("<I")
_UID = re.compile(rb"[0-9]+(?:\.[0-9]+)*")

# What an operating system, shell, browser or archiver would run or open (PS3.10 Section 7.5).
# TIFF is not among them: whole-slide files are meant to be both (PS3.10 Section 7.1).
_UNSAFE = re.compile(
    rb"MZ|\x7fELF|PK[\x03\x05\x07]|#!|\xca\xfe\xba[\xbe\xbf]|[\xbe\xbf]\xba\xfe\xca"
    rb"|\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe|(?:\xef\xbb\xbf)?\s*<"
)


def uid(value: bytes, *, called: str = "A UID of the instance") -> str:
    """A UID without its padding (PS3.5 Section 9); leading zeros in a component are let pass.

    Raises MalformedInstance for anything else: UIDs become parts of URLs and file names.
    """
    stripped = value.rstrip(b"\0 ")
    if len(stripped) > 64 or not _UID.fullmatch(stripped):
        raise errors.MalformedInstance(f"{called} is missing or malformed.")
    return stripped.decode("ascii")


class FileMeta:
    """The front of a file; feed it until it gives back the first octets of the data set."""

    def __init__(self, *, limit: int | None) -> None:
        self.dataset_offset = 0
        self.syntax = ""
        self.values: dict[int, bytes] = {}
        self._limit = limit
        self._front = b""
        self._at = 0
        self._end = -1

    def feed(self, chunk: bytes | memoryview) -> bytes | memoryview | None:
        """The data set's octets in this chunk, None while the file meta goes on."""
        data = self._front + bytes(chunk) if self._front else chunk
        if not self._at and len(data) >= PREAMBLE:
            _check_preamble(bytes(data[:PREAMBLE]))
            self._at = PREAMBLE
        if self._at and self._read(data):
            self._close()
            return data[self._at :]
        if len(data) > MAX_FRONT:
            raise errors.MalformedInstance("The file meta information is too long.")
        self._front = bytes(data)
        return None

    def finish(self) -> None:
        """The file has ended before a data set began."""
        if not self._at:
            raise errors.NotDicom
        if self._at != len(self._front):
            raise errors.TruncatedInstance
        self._close()

    def is_deflated(self) -> bool:
        return self.values.get(SYNTAX, b"").rstrip(b"\0 ").decode("ascii", "replace") in DEFLATED

    def _read(self, data: bytes | memoryview) -> bool:
        """Read elements of group 0002, which are always Explicit VR Little Endian."""
        size = len(data)
        while True:
            # Deflated octets may look like another element of this group: there its length decides.
            if self._at == self._end and self.is_deflated():
                return True
            if size - self._at < 8:
                return False
            group, number, vr, length = _HEAD.unpack_from(data, self._at)
            if group != 2:
                return True
            value = self._at + 8
            if vr in _LONG_VRS:
                if size - self._at < 12:
                    return False
                value += 4
                length = _LONG.unpack_from(data, self._at + 8)[0]
            self._check_length(value, length)
            if value + length > size:
                return False
            self._at = value + length
            self._keep(group << 16 | number, bytes(data[value : value + length]))

    def _check_length(self, value: int, length: int) -> None:
        if length > MAX_FRONT:
            raise errors.MalformedInstance("The file meta information is too long.")
        if self._limit is not None and value + length > self._limit:
            raise errors.TruncatedInstance

    def _keep(self, tag: int, value: bytes) -> None:
        if tag == LENGTH and len(value) == 4:
            self._end = self._at + int.from_bytes(value, "little")
        elif tag in (CLASS, INSTANCE, SYNTAX):
            if tag in self.values:
                raise errors.MalformedInstance("The file meta information repeats an element.")
            self.values[tag] = value
        if tag == CLASS and value.rstrip(b"\0 ") == MEDIA_STORAGE_DIRECTORY.encode():
            raise errors.UnsupportedClass

    def _close(self) -> None:
        if SYNTAX not in self.values:
            raise errors.MalformedInstance("The file meta information names no transfer syntax.")
        self.syntax = uid(self.values[SYNTAX])
        self.dataset_offset = self._at
        self._front = b""


def _check_preamble(front: bytes) -> None:
    if front[128:] != b"DICM":
        raise errors.NotDicom
    # Readers of PDF look for its mark anywhere in the first kilobyte.
    if _UNSAFE.match(front) or b"%PDF" in front:
        raise errors.UnsafeInstance
