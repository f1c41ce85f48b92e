"""From stored samples to red, green and blue octets (DICOM PS3.3 Sections C.7.6.3.1.2 and C.7.9)."""

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut

from transfers.formats.pixels import Array, Decoded, Shape, Undecodable


def to_rgb(decoded: Decoded, shape: Shape, ds: Dataset) -> Array:
    """Octets of three samples; raises Undecodable for what is no colour known here."""
    if decoded.photometric == "PALETTE COLOR":
        return _octets(apply_color_lut(decoded.array, ds)[..., :3], _palette_bits(ds))
    if decoded.array.ndim != 3:
        raise Undecodable
    return _octets(decoded.array[..., :3], shape.bits_stored)


def _palette_bits(ds: Dataset) -> int:
    """The third value of a descriptor; many say 16 and fill both octets alike."""
    descriptor = ds.get("RedPaletteColorLookupTableDescriptor")
    return 8 if descriptor is None or len(descriptor) < 3 or int(descriptor[2]) <= 8 else 16


def _octets(samples: Array, bits: int) -> Array:
    if bits > 8:
        samples = samples.astype(np.uint64) >> (bits - 8)
    return np.ascontiguousarray(samples.astype(np.uint8))
