"""Presentation states: how somebody wanted a picture to be seen (DICOM PS3.3 Sections A.33, C.11.10; PS3.4 Annex N)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset

from transfers.formats import pixels
from transfers.formats.pixels import Array
from transfers.formats.render import grayscale
from transfers.formats.render.geometry import MAX_SIDE, OutOfBounds, Placement, placed
from transfers.formats.render.grayscale import Grays, first_number, items

_INK: Final = 255
# Read while files can still be opened.
_FONT: Final = ImageFont.load_default(12)
_MAX_POINTS: Final = 100_000
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Subject:
    """The picture a state is applied to."""

    sop_instance_uid: str
    frame: int
    size: tuple[int, int]


def grays(state: Dataset, own: Grays, *, subject: Subject, is_signed: bool) -> Grays:
    """The image's own steps, with those that the state sets in their place (PS3.4 Section N.2.1)."""
    modality = grayscale.modality_of([state], is_signed=is_signed) or own.modality
    window, voi = own.window, own.voi
    for item in items(state, "SoftcopyVOILUTSequence"):
        if _applies(item, subject):
            window, voi = grayscale.window_of(item), grayscale.voi_table(item, is_signed=is_signed)
            break
    shape = str(state.get("PresentationLUTShape") or "").strip()
    table = grayscale.presentation_table(state)
    is_inverted = shape == "INVERSE" if shape or table else own.is_inverted
    return replace(own, modality=modality, window=window, voi=voi, is_inverted=is_inverted, presentation=table)


def placement(state: Dataset, *, subject: Subject, fit: tuple[int, int] | None) -> Placement:
    """Displayed area, rotation and flip (PS3.3 Sections C.10.4 and C.10.6); raises OutOfBounds."""
    box = (0, 0, *subject.size)
    for item in items(state, "DisplayedAreaSelectionSequence"):
        if _applies(item, subject):
            box = _area(item) or box
            break
    if box[2] - box[0] > MAX_SIDE or box[3] - box[1] > MAX_SIDE:
        raise OutOfBounds
    rotation = pixels.number(state, "ImageRotation") % 360
    is_flipped = str(state.get("ImageHorizontalFlip") or "N").strip() == "Y"
    return placed(box, fit, rotation=rotation if rotation in (90, 180, 270) else 0, is_flipped=is_flipped)


def shutter(state: Dataset, size: tuple[int, int]) -> Array | None:
    """What display shutters leave open (PS3.3 Section C.7.6.11); None where there is none."""
    shapes = state.get("ShutterShape")
    names = [shapes] if isinstance(shapes, str) else list(shapes or [])
    left = np.ones((size[1], size[0]), bool)
    for name in names:
        mask = Image.new("1", size)
        _SHUTTERS.get(str(name).strip(), _everything)(ImageDraw.Draw(mask), state, size)
        left &= np.asarray(mask)
    return left if names else None


def draw(state: Dataset, picture: Image.Image, *, subject: Subject, where: Placement) -> None:
    """Graphic annotations (PS3.3 Section C.10.5): outlines and texts, each in the light of the display."""
    canvas = ImageDraw.Draw(picture)
    ink = _INK if picture.mode == "L" else (_INK, _INK, _INK)
    for item in items(state, "GraphicAnnotationSequence"):
        if not _applies(item, subject):
            continue
        for graphic in items(item, "GraphicObjectSequence"):
            _outline(canvas, graphic, where, ink)
        for text in items(item, "TextObjectSequence"):
            _text(canvas, text, where, ink)


def _applies(item: Dataset, subject: Subject) -> bool:
    """Without a list of images an item is meant for all of them (PS3.3 Section C.11.8)."""
    references = items(item, "ReferencedImageSequence")
    if not references:
        return True
    return any(
        str(reference.get("ReferencedSOPInstanceUID", "")) == subject.sop_instance_uid
        and subject.frame in (_numbers(reference.get("ReferencedFrameNumber")) or [subject.frame])
        for reference in references
    )


def _area(item: Dataset) -> tuple[int, int, int, int] | None:
    """Pixels are counted from 1, both corners belong to the area, and it may reach beyond the picture."""
    corners = [
        *_numbers(item.get("DisplayedAreaTopLeftHandCorner")),
        *_numbers(item.get("DisplayedAreaBottomRightHandCorner")),
    ]
    if len(corners) != 4:
        return None
    (left, right), (top, bottom) = sorted(corners[0::2]), sorted(corners[1::2])
    return int(left) - 1, int(top) - 1, int(right), int(bottom)


def _rectangle(canvas: ImageDraw.ImageDraw, state: Dataset, size: tuple[int, int]) -> None:
    edges = {
        "ShutterLeftVerticalEdge": 1.0,
        "ShutterUpperHorizontalEdge": 1.0,
        "ShutterRightVerticalEdge": float(size[0]),
        "ShutterLowerHorizontalEdge": float(size[1]),
    }
    left, top, right, bottom = (_or(first_number(state, name), standard) - 1 for name, standard in edges.items())
    if left <= right and top <= bottom:
        canvas.rectangle((left, top, right, bottom), fill=1)


def _circle(canvas: ImageDraw.ImageDraw, state: Dataset, size: tuple[int, int]) -> None:
    row, column, *_ = [*_numbers(state.get("CenterOfCircularShutter")), 1, 1]
    radius = max(0.0, first_number(state, "RadiusOfCircularShutter") or 0.0)
    canvas.ellipse((column - 1 - radius, row - 1 - radius, column - 1 + radius, row - 1 + radius), fill=1)


def _polygon(canvas: ImageDraw.ImageDraw, state: Dataset, size: tuple[int, int]) -> None:
    numbers = _numbers(state.get("VerticesOfThePolygonalShutter"))
    points = [(column - 1, row - 1) for row, column in zip(numbers[0::2], numbers[1::2], strict=False)]
    if len(points) > 2:
        canvas.polygon(points, fill=1)


def _everything(canvas: ImageDraw.ImageDraw, state: Dataset, size: tuple[int, int]) -> None:
    canvas.rectangle((0, 0, *size), fill=1)


_SHUTTERS: Final = {"RECTANGULAR": _rectangle, "CIRCULAR": _circle, "POLYGONAL": _polygon}


def _outline(canvas: ImageDraw.ImageDraw, graphic: Dataset, where: Placement, ink: Any) -> None:  # Any: Pillow's colour
    points = _points(graphic.get("GraphicData"), graphic.get("GraphicAnnotationUnits"), where)
    kind = str(graphic.get("GraphicType") or "").strip()
    if kind == "POINT" and points:
        (x, y), *_ = points
        canvas.line([(x - 3, y), (x + 3, y)], fill=ink)
        canvas.line([(x, y - 3), (x, y + 3)], fill=ink)
    elif kind == "CIRCLE" and len(points) == 2:
        canvas.line(_ring(points[0], points[1]), fill=ink)
    elif kind == "ELLIPSE" and len(points) == 4:
        canvas.line(_oval(points), fill=ink)
    elif kind in ("POLYLINE", "INTERPOLATED") and len(points) > 1:
        canvas.line(points, fill=ink)


def _ring(center: Point, on: Point) -> list[Point]:
    radius = np.hypot(on[0] - center[0], on[1] - center[1])
    return [(center[0] + radius * np.cos(turn), center[1] + radius * np.sin(turn)) for turn in _turns()]


def _oval(points: list[Point]) -> list[Point]:
    """The ends of the long axis, then of the short one."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = points
    x, y = (ax + bx) / 2, (ay + by) / 2
    long, short = ((bx - ax) / 2, (by - ay) / 2), ((dx - cx) / 2, (dy - cy) / 2)
    return [
        (
            x + long[0] * np.cos(turn) + short[0] * np.sin(turn),
            y + long[1] * np.cos(turn) + short[1] * np.sin(turn),
        )
        for turn in _turns()
    ]


def _turns() -> Iterator[float]:
    return iter(np.linspace(0.0, 2 * np.pi, 73))


def _text(canvas: ImageDraw.ImageDraw, text: Dataset, where: Placement, ink: Any) -> None:  # Any: Pillow's colour
    words = str(text.get("UnformattedTextValue") or "")[:1024]
    points = _points(
        text.get("BoundingBoxTopLeftHandCorner"), text.get("BoundingBoxAnnotationUnits"), where
    ) or _points(text.get("AnchorPoint"), text.get("AnchorPointAnnotationUnits"), where)
    if words and points:
        canvas.multiline_text(points[0], words.replace("\r\n", "\n"), fill=ink, font=_FONT)


def _points(value: Any, units: Any, where: Placement) -> list[Point]:  # Any: whatever pydicom makes of FL and CS
    """On the output; in PIXEL units 1.0 is the centre of the first pixel (PS3.3 Section C.10.5.1.2)."""
    numbers = _numbers(value)[: 2 * _MAX_POINTS]
    pairs = list(zip(numbers[0::2], numbers[1::2], strict=False))
    if str(units or "PIXEL").strip() == "DISPLAY":
        return [(x * where.size[0], y * where.size[1]) for x, y in pairs]
    return [where.point(x - 0.5, y - 0.5) for x, y in pairs]


def _numbers(value: Any) -> list[float]:  # Any: whatever pydicom makes of it
    try:
        if value is None or isinstance(value, str):
            return [float(value)] if value else []
        found = [float(part) for part in value] if hasattr(value, "__iter__") else [float(value)]
    except (TypeError, ValueError):
        return []
    return found if all(np.isfinite(found)) and all(abs(part) < 1e6 for part in found) else []


def _or(value: float | None, standard: float) -> float:
    return standard if value is None else min(max(value, -1e6), 1e6)
