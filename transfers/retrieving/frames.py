"""Single frames and bulk data of a stored instance (DICOM PS3.18 Section 10.4.1.1.6)."""

from collections.abc import Sequence
from typing import Final

from django.db import connection

from transfers import errors
from transfers.formats import frametable
from transfers.retrieving.answers import Stretch
from transfers.retrieving.converting import pixel_width
from transfers.retrieving.items import InstanceItem

_PIXEL_DATA: Final = "7FE00010"


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
    """The value that a BulkDataURI names.

    Raises NotFound where there is none, NotAcceptable for pixel data that is encapsulated.
    """
    if path.upper() != _PIXEL_DATA or item.pixel_start is None:
        raise errors.NotFound
    if item.pixel_length is None:
        raise errors.NotAcceptable("This pixel data is compressed. Retrieve its frames with transfer-syntax=*.")
    # Bulk data are Little Endian (PS3.18 Section 8.7.3.5.2).
    return Stretch(item, item.pixel_start, item.pixel_start + item.pixel_length, pixel_width(item), item.pixel_start)


def _fetch_table(item: InstanceItem) -> tuple[bytes | None, bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT frames, pixel_offset IS NOT NULL FROM transfers_instance WHERE id = %s", [item.pk])
        table, has_pixels = cursor.fetchone() or (None, False)
    return (bytes(table) if table is not None else None, has_pixels)
