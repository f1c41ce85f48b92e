"""One frame of pixel data as an array of numbers (DICOM PS3.5 Section 8 and Annex A.4).

Imported in the sandbox only: the codecs are large, written in C, and read what strangers send.
"""

from dataclasses import dataclass
from typing import Any, Final

import gdcm
import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.multival import MultiValue
from pydicom.pixels.decoders.base import get_decoder

Array = np.ndarray[Any, np.dtype[Any]]  # Any: any shape, any kind of number

_JPEG: Final = "1.2.840.10008.1.2.4."
BIG: Final = "1.2.840.10008.1.2.2"
NATIVE: Final = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", BIG})
EXTENDED: Final = _JPEG + "51"
# Which codec is asked first; the others that know the syntax are asked where it fails.
_CODECS: Final = {
    "1.2.840.10008.1.2.5": "pydicom",
    **dict.fromkeys((_JPEG + end for end in ("50", "51")), "pillow"),
    **dict.fromkeys((_JPEG + end for end in ("57", "70")), "gdcm"),
    **dict.fromkeys((_JPEG + end for end in ("80", "81")), "pyjpegls"),
    **dict.fromkeys((_JPEG + end for end in ("90", "91", "201", "202", "203")), "pylibjpeg"),
}
_FLOATS: Final = {0x7FE00008: "<f4", 0x7FE00009: "<f8"}


class Undecodable(Exception):
    """No codec makes numbers of this frame; why may quote the data and stays inside."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The attributes of the Image Pixel module that say what a frame's octets mean (PS3.3 Section C.7.6.3)."""

    transfer_syntax_uid: str
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    photometric: str
    planar: int
    pixel_tag: int = 0x7FE00010


@dataclass(frozen=True, slots=True)
class Decoded:
    """Rows of columns, of samples where a pixel has several, and what the samples are."""

    array: Array
    photometric: str


def shape_of(ds: Dataset, *, transfer_syntax_uid: str, pixel_tag: int = 0x7FE00010) -> Shape:
    """The shape that a header declares; raises Undecodable without rows, columns or depth."""
    allocated = number(ds, "BitsAllocated", {0x7FE00008: 32, 0x7FE00009: 64}.get(pixel_tag, 0))
    stored = number(ds, "BitsStored", allocated)
    stored = stored if 0 < stored <= allocated else allocated
    high = number(ds, "HighBit", stored - 1)
    shape = Shape(
        transfer_syntax_uid=transfer_syntax_uid,
        rows=number(ds, "Rows"),
        columns=number(ds, "Columns"),
        samples=number(ds, "SamplesPerPixel", 1),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high if stored - 1 <= high < allocated else stored - 1,
        is_signed=number(ds, "PixelRepresentation") == 1,
        photometric=str(ds.get("PhotometricInterpretation") or "MONOCHROME2").strip(),
        planar=number(ds, "PlanarConfiguration"),
        pixel_tag=pixel_tag,
    )
    if not (shape.rows and shape.columns and allocated in (1, 8, 16, 32, 64)) or shape.samples not in (1, 3, 4):
        raise Undecodable
    return shape


def number(ds: Dataset, keyword: str, default: int = 0) -> int:
    """A whole number from a header that may hold several, none, or something else."""
    try:
        value = ds.get(keyword)
        value = value[0] if isinstance(value, MultiValue | list) else value
        return default if value in (None, "") else int(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return default


def decode(frame: bytes, shape: Shape, *, to_rgb: bool = True) -> Decoded:
    """The numbers of a frame, signed where they are; YBR becomes RGB if wanted.

    Raises Undecodable.
    """
    try:
        if shape.transfer_syntax_uid in NATIVE:
            decoded = _native(frame, shape)
        else:
            decoded = _compressed(frame, shape, to_rgb=to_rgb)
    except (MemoryError, Undecodable):
        raise
    except Exception as error:
        raise Undecodable from error
    if to_rgb and decoded.photometric in ("YBR_FULL", "YBR_FULL_422"):
        return Decoded(ybr_to_rgb(decoded.array, shape.bits_stored), "RGB")
    return decoded


def bit_plane(frame: bytes, shape: Shape, bit: int) -> Array:
    """One bit of each pixel cell of an uncompressed frame: overlays once lay there (PS3.5 Section 8.1.2, retired)."""
    return (_cells(frame, shape) >> bit & 1).reshape(shape.rows, shape.columns)


def ybr_to_rgb(array: Array, bits: int) -> Array:
    """PS3.3 Section C.7.6.3.1.2, YBR_FULL, solved for red, green and blue."""
    top, middle = (1 << bits) - 1, 1 << (bits - 1)
    # Single precision: a whole slide's tile is converted in a third of the time.
    parts = array.astype(np.float32)
    y, blue, red = parts[..., 0], parts[..., 1] - middle, parts[..., 2] - middle
    rgb = np.stack([y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue], axis=-1)
    return np.asarray(np.clip(np.rint(rgb), 0, top).astype(array.dtype))


def _native(frame: bytes, shape: Shape) -> Decoded:
    if shape.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422") and shape.samples == 3:
        return Decoded(_spread(_cells(frame, shape), shape), "YBR_FULL")
    values = _cells(frame, shape)
    if shape.pixel_tag not in _FLOATS and shape.bits_allocated > 1:
        values = _significant(values, shape)
    return Decoded(_arranged(values, shape), shape.photometric)


def _cells(frame: bytes, shape: Shape) -> Array:
    """The pixel cells in their order; words of Big Endian come turned round already. Too short a frame is refused."""
    count = shape.rows * shape.columns * shape.samples
    if shape.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422") and shape.samples == 3:
        count = count * 2 // 3
    if len(frame) < (count * shape.bits_allocated + 7) // 8:
        raise Undecodable
    if shape.bits_allocated == 1:
        return np.unpackbits(np.frombuffer(frame, np.uint8), bitorder="little", count=count)
    if shape.pixel_tag in _FLOATS:
        kind = np.dtype(_FLOATS[shape.pixel_tag])
    else:
        kind = np.dtype(f"<u{shape.bits_allocated // 8}")
    return np.frombuffer(frame, kind, count=count)


def _significant(values: Array, shape: Shape) -> Array:
    """Without the bits that are no part of the number, its sign drawn out (PS3.5 Section 8.1.1)."""
    signed = values.view(f"i{values.itemsize}") if shape.is_signed else values
    if shape.bits_stored == shape.bits_allocated:
        return signed
    up = shape.bits_allocated - 1 - shape.high_bit
    return np.asarray((signed << up) >> (shape.bits_allocated - shape.bits_stored))


def _arranged(values: Array, shape: Shape) -> Array:
    if shape.samples == 1:
        return values.reshape(shape.rows, shape.columns)
    if shape.planar == 1:
        return np.moveaxis(values.reshape(shape.samples, shape.rows, shape.columns), 0, -1)
    return values.reshape(shape.rows, shape.columns, shape.samples)


def _spread(values: Array, shape: Shape) -> Array:
    """Two pixels share their colour: Y Y Cb Cr (PS3.3 Section C.7.6.3.1.2)."""
    pairs = values.reshape(shape.rows, shape.columns // 2, 4)
    full = np.empty((shape.rows, shape.columns // 2, 2, 3), values.dtype)
    full[..., 0] = pairs[..., :2]
    full[..., 1:] = pairs[:, :, None, 2:]
    return full.reshape(shape.rows, shape.columns, 3)


def _compressed(frame: bytes, shape: Shape, *, to_rgb: bool) -> Decoded:
    first = _CODECS.get(shape.transfer_syntax_uid)
    if first is None:
        raise Undecodable
    if shape.transfer_syntax_uid == EXTENDED and shape.bits_stored > 8 and shape.samples == 1:
        return Decoded(_extended(frame, shape), shape.photometric)
    try:
        return _with_codec(first, frame, shape, to_rgb=to_rgb)
    except MemoryError:
        raise
    except Exception:
        return _with_codec("", frame, shape, to_rgb=to_rgb)


def _with_codec(codec: str, frame: bytes, shape: Shape, *, to_rgb: bool) -> Decoded:
    options: dict[str, Any] = {  # Any: pydicom names the kinds of its options one by one
        "as_rgb": to_rgb,
        "rows": shape.rows,
        "columns": shape.columns,
        "number_of_frames": 1,
        "samples_per_pixel": shape.samples,
        "bits_allocated": shape.bits_allocated,
        "bits_stored": shape.bits_stored,
        "pixel_representation": int(shape.is_signed),
        "photometric_interpretation": shape.photometric,
        "planar_configuration": shape.planar if shape.samples > 1 else 0,
        "pixel_keyword": "PixelData",
    }
    decoder = get_decoder(shape.transfer_syntax_uid)
    array, properties = decoder.as_array(encapsulate([frame]), index=0, decoding_plugin=codec, **options)
    return Decoded(array, str(properties["photometric_interpretation"]))


def _extended(frame: bytes, shape: Shape) -> Array:
    """JPEG Extended of 12 bits, which of the codecs only GDCM reads, when it is told the depth."""
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((shape.columns, shape.rows, 1))
    image.SetDataElement(element)
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(shape.transfer_syntax_uid)))
    kind = gdcm.PhotometricInterpretation.GetPIType(shape.photometric)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    bits = max(shape.bits_stored, 9)
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, bits, bits - 1, int(shape.is_signed)))
    octets = image.GetBuffer().encode("utf-8", "surrogateescape")  # GDCM gives octets as text
    values = np.frombuffer(octets, "<i2" if shape.is_signed else "<u2")
    return values[: shape.rows * shape.columns].reshape(shape.rows, shape.columns)
