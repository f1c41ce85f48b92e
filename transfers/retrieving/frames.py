"""Single frames and bulk data of a stored instance (DICOM PS3.18 Section 10.4.1.1.6)."""

import re
from array import array
from collections.abc import Sequence
from typing import Final

from accounts import statements
from transfers import errors
from transfers.formats import elements, filemeta, frames, frametable, locating, part10
from transfers.retrieving.answers import Stretch, open_key, read
from transfers.retrieving.items import InstanceItem

_PIXEL_DATA: Final = "7FE00010"
_PATH: Final = re.compile(r"[0-9A-Fa-f]{8}(?:/\d{1,6}/[0-9A-Fa-f]{8}){0,32}")
_WINDOW: Final = 1 << 16
_UNTOLD: Final = "The frames of this instance cannot be told apart. Retrieve the instance with transfer-syntax=*."
_ITEM: Final = b"\xfe\xff\x00\xe0"
# A frame is one code stream, and only at its start stand the marks of JPEG, JPEG-LS (SOI) and JPEG 2000 (SOC).
_STARTS: Final = (b"\xff\xd8", b"\xff\x4f")


def locate_frames(item: InstanceItem, numbers: Sequence[int]) -> list[list[Stretch]]:
    """Where frames lie, by their numbers from 1; a compressed frame may lie in several fragments.

    Raises NotFound if the instance has no such frame, NotAcceptable where its frames cannot be told apart.
    """
    known = find_frames(item)
    if known is None:
        raise errors.NotAcceptable(_UNTOLD)
    if numbers[-1] > known.count:
        raise errors.NotFound
    return [stretches(item, known, number) for number in numbers]


def find_frames(item: InstanceItem) -> frames.Frames | None:
    """Where the frames of an instance lie, None where there is no telling; raises NotFound without pixels."""
    table = item.frame_table or _fetch_table(item)
    if table is not None:
        return frametable.unpack(table)
    if item.pixel_offset is None or item.pixel_start is None:
        raise errors.NotFound
    return _by_marks(item) if item.pixel_length is None else None


def stretches(item: InstanceItem, known: frames.Frames, number: int) -> list[Stretch]:
    """The fragments of one frame, counted from 1."""
    return [Stretch(item, offset, offset + length) for offset, length in known.fragments(number - 1)]


def locate_bulk(item: InstanceItem, path: str) -> Stretch:
    """The value that a BulkDataURI names: tags, with the numbers of items between them.

    Raises NotFound where there is none, NotAcceptable for pixel data that is encapsulated.
    """
    steps = parse_path(path)
    if path.upper() == _PIXEL_DATA and item.pixel_start is not None and item.pixel_length is None:
        raise errors.NotAcceptable("This pixel data is compressed. Retrieve its frames with transfer-syntax=*.")
    if item.transfer_syntax_uid in filemeta.DEFLATED:
        raise errors.NotAcceptable("This instance is deflated. Retrieve it whole, with transfer-syntax=*.")
    try:
        value = locating.find(
            _Window(item).read_at,
            steps,
            start=item.dataset_offset,
            stop=item.size,
            is_implicit=item.transfer_syntax_uid == part10.IMPLICIT_LITTLE,
            is_big=item.transfer_syntax_uid == part10.EXPLICIT_BIG,
        )
    except errors.MalformedInstance:
        raise errors.NotFound from None
    # Bulk data are Little Endian (PS3.18 Section 8.7.3.5.2).
    return Stretch(item, value.start, min(value.stop, item.size), value.width, value.start)


def parse_path(path: str) -> list[int]:
    """Tags with the numbers of items between them; raises NotFound for what is no path."""
    if not _PATH.fullmatch(path):
        raise errors.NotFound
    return [int(step, 10 if at % 2 else 16) for at, step in enumerate(path.split("/"))]


class _Window:
    """Reads small pieces of a stored file, a segment at a time."""

    def __init__(self, item: InstanceItem) -> None:
        self._item, self._key = item, open_key(item.seen)
        self._at, self._octets = 0, b""

    def read_at(self, offset: int, length: int) -> bytes:
        if not self._at <= offset <= self._at + len(self._octets) - length:
            self._at = offset
            stop = min(self._item.size, offset + _WINDOW)
            self._octets = b"".join(read(self._item, start=offset, stop=stop, key=self._key))
        return self._octets[offset - self._at : offset - self._at + length]


def _by_marks(item: InstanceItem) -> frames.Frames | None:
    """Frames of several fragments that no table tells apart (PS3.5 Annex A.4): each begins with its code stream."""
    window = _Window(item)
    offsets, lengths, firsts = array("Q"), array("Q"), array("I")
    at = item.pixel_start or 0
    while at < item.size:
        head = window.read_at(at, 8)
        if head[:4] != _ITEM or len(offsets) > elements.MAX_FRAGMENTS:
            break
        length = int.from_bytes(head[4:], "little")
        if at != item.pixel_start:  # the first item is the offset table
            if window.read_at(at + 8, 2) in _STARTS:
                firsts.append(len(offsets))
            offsets.append(at + 8)
            lengths.append(length)
        at += 8 + length
    if not firsts or firsts[0] != 0:
        return None
    firsts.append(len(offsets))
    return frames.EncapsulatedFrames(offsets, lengths, firsts)


def _fetch_table(item: InstanceItem) -> bytes | None:
    rows = statements.run("SELECT frames FROM transfers_instance WHERE id = %s", [item.pk], binary=True)
    return rows[0][0] if rows else None
