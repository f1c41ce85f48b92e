"""A frame as people see it: the whole pipeline (DICOM PS3.18 Section 8.7.4; PS3.4 Section N.2)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset

from transfers.formats import pixels
from transfers.formats.pixels import Array, Shape
from transfers.formats.render import colour, drawing, geometry, grayscale, overlays, presentation
from transfers.formats.render.geometry import Region, Viewport
from transfers.formats.render.grayscale import Window
from transfers.formats.render.presentation import Subject


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a caller asked for (PS3.18 Sections 8.3.5 and 9.5.1.2); a region comes with a viewport that has none."""

    media_type: str = drawing.JPEG
    quality: int = drawing.QUALITY
    window: Window | None = None
    viewport: Viewport | None = None
    region: Region | None = None
    annotations: list[str] = field(default_factory=list)


def render(
    frame: bytes, ds: Dataset, shape: Shape, *, number: int, wishes: Wishes, state: Dataset | None = None
) -> Image.Image:
    """The picture of one frame, counted from 1; raises Undecodable or OutOfBounds.

    A presentation state goes first, then region and size, and annotations come last, so that they are never scaled.
    """
    subject = Subject(str(ds.get("SOPInstanceUID", "")), number, (shape.columns, shape.rows))
    array = _shown(frame, ds, shape, subject=subject, window=wishes.window, state=state)
    where = _place(subject, wishes, state)
    picture = where.apply(Image.fromarray(array))
    if state is not None:
        presentation.draw(state, picture, subject=subject, where=where)
        if wishes.region is not None:
            picture = picture.crop(wishes.region.box(picture.size))
    return drawing.annotate(picture, ds, kinds=wishes.annotations) if wishes.annotations else picture


def _place(subject: Subject, wishes: Wishes, state: Dataset | None) -> geometry.Placement:
    """Where the pixels go; a region of what a state presents is cut out once it is drawn."""
    if state is not None:
        fit = (wishes.viewport.width, wishes.viewport.height) if wishes.viewport else None
        whole = wishes.region.fit_of_whole(fit) if wishes.region else fit
        return presentation.placement(state, subject=subject, fit=whole)
    if wishes.region is not None:
        return geometry.placed_region(subject.size, wishes.region, wishes.viewport)
    return geometry.placement(subject.size, wishes.viewport)


def _shown(
    frame: bytes, ds: Dataset, shape: Shape, *, subject: Subject, window: Window | None, state: Dataset | None
) -> Array:
    """Octets of grey or colour at the size of the frame, with what lies over it."""
    decoded = pixels.decode(frame, shape)
    if decoded.array.ndim == 2 and decoded.photometric != "PALETTE COLOR":
        grays = grayscale.grays_of(ds, frame=subject.frame, is_signed=shape.is_signed)
        if state is not None:
            grays = presentation.grays(state, grays, subject=subject, is_signed=shape.is_signed)
        if window is not None:
            grays = grayscale.with_window(grays, window)
        shown = grayscale.to_display(decoded.array, grays)
    else:
        shown = colour.to_rgb(decoded, shape, ds)
    if state is not None and (left := presentation.shutter(state, subject.size)) is not None:
        shown = np.where(left if shown.ndim == 2 else left[..., None], shown, np.uint8(0))
    return _with_overlays(shown, _masks(frame, ds, shape, subject=subject, state=state))


def _masks(frame: bytes, ds: Dataset, shape: Shape, *, subject: Subject, state: Dataset | None) -> Iterator[Array]:
    cells = frame if shape.transfer_syntax_uid in pixels.NATIVE and shape.samples == 1 else b""
    yield from overlays.masks(ds, frame=subject.frame, shape=shape, cells=cells)
    if state is not None:
        yield from overlays.masks(state, frame=subject.frame, shape=shape)


def _with_overlays(shown: Array, masks: Iterator[Array]) -> Array:
    for mask in masks:
        if not shown.flags.writeable:
            shown = shown.copy()
        shown[mask] = 255
    return shown
