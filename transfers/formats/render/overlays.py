"""Overlay planes (DICOM PS3.3 Section C.9): bit maps that lie over a picture, groups 6000 to 601E."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset

from transfers.formats import pixels
from transfers.formats.pixels import Array, Shape

_GROUPS: Final = range(0x6000, 0x6020, 2)
_ROWS, _COLUMNS, _FRAMES, _ORIGIN, _FIRST_FRAME = 0x0010, 0x0011, 0x0015, 0x0050, 0x0051
_ALLOCATED, _BIT, _DATA = 0x0100, 0x0102, 0x3000


def masks(ds: Dataset, *, frame: int, shape: Shape, cells: bytes = b"") -> Iterator[Array]:
    """Where each overlay of a frame, counted from 1, is drawn; `cells` are the octets of an uncompressed frame."""
    for group in _GROUPS:
        if (group, _ROWS) in ds:
            mask = _mask(ds, group, frame=frame, shape=shape, cells=cells)
            if mask is not None:
                yield mask


def _mask(ds: Dataset, group: int, *, frame: int, shape: Shape, cells: bytes) -> Array | None:
    rows, columns = _number(ds, group, _ROWS), _number(ds, group, _COLUMNS)
    if rows < 1 or columns < 1:
        return None
    if (group, _DATA) in ds:
        plane = _plane(ds, group, frame, rows, columns)
    elif cells and _number(ds, group, _ALLOCATED) > 1 and (rows, columns) == (shape.rows, shape.columns):
        bit = _number(ds, group, _BIT)
        # Inside the number itself a bit is part of the picture.
        is_apart = shape.high_bit < bit < shape.bits_allocated or 0 <= bit <= shape.high_bit - shape.bits_stored
        plane = pixels.bit_plane(cells, shape, bit).astype(bool) if is_apart else None
    else:
        plane = None
    if plane is None:
        return None
    return _placed(plane, _origin(ds, group), shape)


def _plane(ds: Dataset, group: int, frame: int, rows: int, columns: int) -> Array | None:
    """PS3.3 Section C.9.2.1.2: bits packed without padding, frame behind frame."""
    data = ds[group, _DATA].value
    count, first = _number(ds, group, _FRAMES, 1), _number(ds, group, _FIRST_FRAME, 1)
    index = frame - first if count > 1 else 0
    if not isinstance(data, bytes) or not 0 <= index < count:
        return None
    start = index * rows * columns
    bits = np.unpackbits(
        np.frombuffer(data[start // 8 : (start + rows * columns + 7) // 8], np.uint8), bitorder="little"
    )[start % 8 :]
    if len(bits) < rows * columns:
        return None
    return bits[: rows * columns].reshape(rows, columns).astype(bool)


def _placed(plane: Array, origin: tuple[int, int], shape: Shape) -> Array:
    """The plane on a canvas of the picture's size; what lies outside falls away."""
    canvas = np.zeros((shape.rows, shape.columns), bool)
    top, left = origin[0] - 1, origin[1] - 1
    part = plane[max(0, -top) : max(0, shape.rows - top), max(0, -left) : max(0, shape.columns - left)]
    canvas[max(0, top) : max(0, top) + part.shape[0], max(0, left) : max(0, left) + part.shape[1]] = part
    return canvas


def _origin(ds: Dataset, group: int) -> tuple[int, int]:
    value = ds.get((group, _ORIGIN))
    try:
        return (int(value.value[0]), int(value.value[1])) if value is not None else (1, 1)
    except (TypeError, ValueError, IndexError):
        return 1, 1


def _number(ds: Dataset, group: int, element: int, default: int = 0) -> int:
    found: Any = ds.get((group, element))  # Any: an element of any VR
    try:
        return int(found.value) if found is not None else default
    except (TypeError, ValueError):
        return default
