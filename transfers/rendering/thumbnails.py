"""Thumbnails: one small picture for a study, a series, an instance or a frame (DICOM PS3.18 Section 10.4.1.1.4).

None shows who the patient is: nothing is written over it, and what has names burned in becomes a sign.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from transfers import errors, sandbox
from transfers.rendering import opened, pictures
from transfers.rendering.pictures import Picture, Wishes
from transfers.retrieving import InstanceItem

SIDE: Final = 200


def representative(items: Sequence[InstanceItem]) -> InstanceItem:
    """The middle instance of the series with the most images; without images the first of all."""
    by_series: dict[int, list[InstanceItem]] = defaultdict(list)
    for item in items:
        if item.pixel_offset is not None:
            by_series[item.series_pk].append(item)
    if not by_series:
        return items[0]
    largest = max(by_series.values(), key=len)
    return largest[len(largest) // 2]


def thumbnail(item: InstanceItem, *, number: int = 0, media_type: str, size: tuple[int, int]) -> bytes:
    """A frame of an instance, the middle one unless a number says which; a sign for what cannot be shown.

    Raises NotFound where there is no such frame.
    """
    try:
        made = opened.open_instance(item)
    except (errors.NotFound, errors.NotAcceptable):
        return _sign("DICOM", media_type, size)
    if number > made.count:
        raise errors.NotFound
    if made.image.burned_in == "YES":
        return _sign("ID", media_type, size)
    chosen = number or (made.count + 1) // 2
    (picture,) = pictures.pictures_of(item, [chosen], Wishes(media_type, viewport=(*size, 0.0, 0.0, None, None)))
    return picture.octets if isinstance(picture, Picture) else _sign("?", media_type, size)


def _sign(label: str, media_type: str, size: tuple[int, int]) -> bytes:
    header = {"task": "icon", "label": label, "size": list(size), "media_type": media_type}
    return sandbox.call(opened.MODULE, header, seconds=20.0, max_reply=pictures.MAX_MADE).body
