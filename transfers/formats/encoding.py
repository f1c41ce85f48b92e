"""Frames compressed without loss (DICOM PS3.5 Annexes A.4.2 to A.4.4); imported in the sandbox only.

Each frame is decoded again and compared: what does not come back number for number is not given out.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from pydicom.pixels.encoders.base import get_encoder

from transfers.formats import pixels
from transfers.formats.pixels import Array, Shape, Undecodable


def encode(array: Array, shape: Shape, *, target: str, photometric: str) -> bytes:
    """The code stream of a frame as `pixels.decode` gives it; raises Undecodable where it would not come back."""
    try:
        cells = np.ascontiguousarray(array.astype(f"<{array.dtype.kind}{shape.bits_allocated // 8}"))
        made = replace(shape, transfer_syntax_uid=target, photometric=photometric, planar=0)
        stream = _stream(cells, made)
        again = pixels.decode(stream, made, to_rgb=False).array
    except (MemoryError, Undecodable):
        raise
    except Exception as error:
        raise Undecodable from error
    if not np.array_equal(again, array):
        raise Undecodable
    return stream


def _stream(cells: Array, shape: Shape) -> bytes:
    options: dict[str, Any] = {  # Any: pydicom names the kinds of its options one by one
        "rows": shape.rows,
        "columns": shape.columns,
        "number_of_frames": 1,
        "samples_per_pixel": shape.samples,
        "bits_allocated": shape.bits_allocated,
        "bits_stored": shape.bits_stored,
        "pixel_representation": int(shape.is_signed),
        "photometric_interpretation": shape.photometric,
        "planar_configuration": 0,
    }
    return bytes(get_encoder(shape.transfer_syntax_uid).encode(cells.tobytes(), index=0, **options))
