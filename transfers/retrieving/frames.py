"""Single frames and bulk data of a stored instance (DICOM PS3.18 Section 10.4.1.1.6)."""

import re
from collections.abc import Sequence
from typing import Final

from django.db import connection

from transfers import errors
from transfers.formats import filemeta, frametable, locating, part10
from transfers.retrieving.answers import Stretch, open_key, read
from transfers.retrieving.items import InstanceItem

_PIXEL_DATA: Final = "7FE00010"
_PATH: Final = re.compile(r"[0-9A-Fa-f]{8}(?:/\d{1,6}/[0-9A-Fa-f]{8}){0,32}")
_WINDOW: Final = 1 << 16


def locate_frames(item: InstanceItem, numbers: Sequence[int]) -> list[list[Stretch]]:
    """Where frames lie, by their numbers from 1; a compressed frame may lie in several fragments.

    Raises NotFound if the instance has no such frame, NotAcceptable where its frames cannot be told apart.
    """
    table, has_pixels = _fetch_table(item)
    if table is None:
        if not has_pixels:
            raise errors.NotFound
        raise errors.NotAcceptable(
            "The frames of this instance cannot be told apart. Retrieve the instance with transfer-syntax=*."
        )
    known = frametable.unpack(table)
    if numbers[-1] > known.count:
        raise errors.NotFound
    return [
        [Stretch(item, offset, offset + length) for offset, length in known.fragments(number - 1)] for number in numbers
    ]


def locate_bulk(item: InstanceItem, path: str) -> Stretch:
    """The value that a BulkDataURI names: tags, with the numbers of items between them.

    Raises NotFound where there is none, NotAcceptable for pixel data that is encapsulated.
    """
    if not _PATH.fullmatch(path):
        raise errors.NotFound
    if path.upper() == _PIXEL_DATA and item.pixel_start is not None and item.pixel_length is None:
        raise errors.NotAcceptable("This pixel data is compressed. Retrieve its frames with transfer-syntax=*.")
    if item.transfer_syntax_uid in filemeta.DEFLATED:
        raise errors.NotAcceptable("This instance is deflated. Retrieve it whole, with transfer-syntax=*.")
    steps = [int(step, 10 if at % 2 else 16) for at, step in enumerate(path.split("/"))]
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


def _fetch_table(item: InstanceItem) -> tuple[bytes | None, bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT frames, pixel_offset IS NOT NULL FROM transfers_instance WHERE id = %s", [item.pk])
        table, has_pixels = cursor.fetchone() or (None, False)
    return (bytes(table) if table is not None else None, has_pixels)
