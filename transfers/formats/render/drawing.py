"""Annotations burned into a picture; pictures as JPEG, PNG, GIF (DICOM PS3.18 Sections 8.3.5.1.1 and 8.7.4)."""

import io
from collections.abc import Iterable, Sequence
from typing import Final

from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset

JPEG, PNG, GIF = "image/jpeg", "image/png", "image/gif"
QUALITY: Final = 90
_SMALL: Final = 9
# Fonts are read once, while files can still be opened; their glyphs are Latin.
_FONTS: Final = {size: ImageFont.load_default(size) for size in (_SMALL, 12, 16, 24, 36)}
_PATIENT: Final = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
_TECHNIQUE: Final = (
    ("", "Modality"),
    ("", "SeriesDescription"),
    ("kVp", "KVP"),
    ("mAs", "Exposure"),
    ("TR", "RepetitionTime"),
    ("TE", "EchoTime"),
    ("mm", "SliceThickness"),
    ("", "AcquisitionDate"),
)


def annotate(picture: Image.Image, ds: Dataset, *, kinds: Iterable[str]) -> Image.Image:
    """Write who it is above and how it was made below, each white within black."""
    size = max((size for size in _FONTS if size * 24 <= picture.height), default=_SMALL)
    canvas = ImageDraw.Draw(picture)
    for kind in kinds:
        lines = _patient_lines(ds) if kind == "patient" else _technique_lines(ds)
        height = len(lines) * (size + 3)
        top = 3 if kind == "patient" else picture.height - height - 3
        for number, line in enumerate(lines):
            white, black = (255, 0) if picture.mode == "L" else ("white", "black")
            place = (4, top + number * (size + 3))
            canvas.text(place, line, fill=white, font=_FONTS[size], stroke_width=1, stroke_fill=black)
    return picture


def encode(picture: Image.Image, *, media_type: str, quality: int = QUALITY) -> bytes:
    """A still picture; JPEG is baseline with eight bits (PS3.18 Section 8.7.4)."""
    written = io.BytesIO()
    if media_type == JPEG:
        # Colour at full resolution: edges of text and of coloured flow are what is looked at.
        picture.save(written, "JPEG", quality=quality, subsampling=0)
    elif media_type == PNG:
        picture.save(written, "PNG", compress_level=3)
    else:
        picture.save(written, "GIF")
    return written.getvalue()


def animate(pictures: Sequence[Image.Image], *, milliseconds: int) -> bytes:
    """All frames as one GIF that plays for ever."""
    written = io.BytesIO()
    first, *others = pictures
    # Never shared: a frame like the one before it would be left out, and the count would be wrong.
    first.save(written, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0, disposal=1)
    return written.getvalue()


def icon(label: str, *, size: tuple[int, int], media_type: str) -> bytes:
    """What stands for an object that is no picture."""
    picture = Image.new("L", size, 48)
    canvas = ImageDraw.Draw(picture)
    width, height = size
    canvas.rectangle((width // 4, height // 8, width * 3 // 4, height * 7 // 8), fill=208, outline=255)
    font = max((one for one in _FONTS if one * 6 <= width), default=_SMALL)
    canvas.text((width // 2, height // 2), label[:6], fill=0, font=_FONTS[font], anchor="mm")
    return encode(picture, media_type=media_type)


def _patient_lines(ds: Dataset) -> list[str]:
    return [line for keyword in _PATIENT if (line := _value(ds, keyword))]


def _technique_lines(ds: Dataset) -> list[str]:
    return [f"{value} {unit}".strip() for unit, keyword in _TECHNIQUE if (value := _value(ds, keyword))]


def _value(ds: Dataset, keyword: str) -> str:
    try:
        found = ds.get(keyword)
    except (ValueError, TypeError, NotImplementedError):  # the last is pydicom's for a VR that it does not know
        return ""
    return "" if found is None else str(found).replace("\n", " ")[:64]
