"""Pixels, handled in the sandbox: frames become pictures, or numbers in another transfer syntax.

A body begins with the file up to its pixel data (`front` octets), then come frames and at last a presentation state.
What is answered are octets with their lengths; a frame that fails says so for itself, and the others go on.
"""

import io
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pydicom
import pydicom.config
from PIL import Image
from pydicom.dataset import Dataset

from transfers.formats import encoding, pixels
from transfers.formats.pixels import Shape
from transfers.formats.render import drawing, geometry, grayscale, picture
from transfers.formats.render.geometry import Region, Viewport
from transfers.sandbox.child import Header

UNDECODABLE, OUT_OF_BOUNDS = "undecodable", "out of bounds"

# Warnings quote values, and a picture is bounded before it is opened.
warnings.simplefilter("ignore")
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
Image.init()


@dataclass(slots=True)
class _Known:
    """The header that was read last: frames of one instance come one after the other."""

    front: bytes = b""
    ds: Dataset | None = None


_known = _Known()


def handle(header: Header, body: bytes) -> tuple[Header, bytes]:
    """Draw an icon, render frames, animate them, or decode them into Explicit VR Little Endian."""
    if header["task"] == "icon":
        made = drawing.icon(header["label"], size=tuple(header["size"]), media_type=header["media_type"])
        return {"pictures": [{"size": len(made)}]}, made
    front = body[: header["front"]]
    ds = _read(front)
    shape = _shape(ds, front, header)
    frames = _pieces(body, header["front"], header["frames"])
    if header["task"] == "decode":
        return _joined(_decoded(frame, shape, to_rgb=header["to_rgb"]) for frame in frames)
    if header["task"] == "encode":
        return _joined(_encoded(frame, shape, to_rgb=header["to_rgb"], target=header["target"]) for frame in frames)
    rest = body[header["front"] + sum(header["frames"]) :]
    state = pydicom.dcmread(io.BytesIO(rest)) if rest else None
    wishes = _wishes(header["wishes"])
    numbered = zip(header["numbers"], frames, strict=True)
    drawn = (_drawn(frame, ds, shape, number=number, wishes=wishes, state=state) for number, frame in numbered)
    if header["task"] == "animate":
        return _animated(drawn, milliseconds=_pause(ds))
    return _joined(
        one if isinstance(one, str) else drawing.encode(one, media_type=wishes.media_type, quality=wishes.quality)
        for one in drawn
    )


def _read(front: bytes) -> Dataset:
    if _known.ds is None or _known.front != front:
        _known.ds, _known.front = pydicom.dcmread(io.BytesIO(front), stop_before_pixels=True), front
    return _known.ds


def _shape(ds: Dataset, front: bytes, header: Header) -> Shape:
    """The head of the pixel data ends the front; its tag stands there in the order of the file."""
    syntax, at = str(header["syntax"]), int(header["pixel_offset"])
    group, element = struct.unpack_from(">HH" if syntax == pixels.BIG else "<HH", front, at)
    return pixels.shape_of(ds, transfer_syntax_uid=syntax, pixel_tag=group << 16 | element)


def _decoded(frame: bytes, shape: Shape, *, to_rgb: bool) -> bytes | str:
    """The octets of a native frame, colour by pixel, each number as wide as the header says."""
    try:
        array = pixels.decode(frame, shape, to_rgb=to_rgb).array
    except pixels.Undecodable:
        return UNDECODABLE
    return array.astype(f"<{array.dtype.kind}{shape.bits_allocated // 8}", copy=False).tobytes()


def _encoded(frame: bytes, shape: Shape, *, to_rgb: bool, target: str) -> bytes | str:
    try:
        decoded = pixels.decode(frame, shape, to_rgb=to_rgb)
        return encoding.encode(decoded.array, shape, target=target, photometric=decoded.photometric)
    except pixels.Undecodable:
        return UNDECODABLE


def _drawn(frame: bytes, ds: Dataset, shape: Shape, **how: Any) -> Image.Image | str:  # Any: passed through
    try:
        return picture.render(frame, ds, shape, **how)
    except geometry.OutOfBounds:
        return OUT_OF_BOUNDS
    except MemoryError:
        raise
    except Exception:
        return UNDECODABLE


def _animated(drawn: Iterator[Image.Image | str], *, milliseconds: int) -> tuple[Header, bytes]:
    pictures: list[Image.Image] = []
    for one in drawn:
        if isinstance(one, str):
            return {"pictures": [{"error": one}]}, b""
        pictures.append(one)
    made = drawing.animate(pictures, milliseconds=milliseconds)
    return {"pictures": [{"size": len(made)}]}, made


def _pause(ds: Dataset) -> int:
    """Between two frames (PS3.3 Section C.7.6.5); browsers slow down what is faster than 20 ms."""
    rate = grayscale.first_number(ds, "RecommendedDisplayFrameRate") or grayscale.first_number(ds, "CineRate")
    pause = 1000.0 / rate if rate and rate > 0 else grayscale.first_number(ds, "FrameTime") or 100.0
    return int(min(max(pause, 20.0), 10_000.0))


def _wishes(said: Header) -> picture.Wishes:
    window, viewport, region = said.get("window"), said.get("viewport"), said.get("region")
    return picture.Wishes(
        media_type=said["media_type"],
        quality=said["quality"],
        window=grayscale.Window(*window) if window else None,
        viewport=Viewport(*viewport) if viewport else None,
        region=Region(*region) if region else None,
        annotations=said.get("annotations", []),
    )


def _pieces(body: bytes, at: int, lengths: list[int]) -> Iterator[bytes]:
    for length in lengths:
        yield body[at : at + length]
        at += length


def _joined(made: Iterator[bytes | str]) -> tuple[Header, bytes]:
    answers: list[Header] = []
    bodies: list[bytes] = []
    for one in made:
        if isinstance(one, str):
            answers.append({"error": one})
        else:
            answers.append({"size": len(one)})
            bodies.append(one)
    return {"pictures": answers}, b"".join(bodies)
