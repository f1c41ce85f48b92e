"""Where a picture's pixels go: region, rotation, flips, size (DICOM PS3.18 Section 8.3.5.1.3; PS3.3 Section C.10.6)."""

from dataclasses import dataclass
from typing import Final

from PIL import Image

MAX_SIDE: Final = 16_384
MAX_PIXELS: Final = 1 << 26


class OutOfBounds(Exception):
    """The region holds nothing of the picture, or the size is beyond what is made."""


@dataclass(frozen=True, slots=True)
class Viewport:
    """A box to fit into, and the region shown; a negative width or height of the region flips."""

    width: int
    height: int
    left: float = 0.0
    top: float = 0.0
    region_width: float | None = None
    region_height: float | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a picture in fractions of its width and height, from 0.0 to 1.0 (PS3.18 Section 9.5.1.2.5)."""

    left: float
    top: float
    right: float
    bottom: float

    def box(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """The same in whole pixels, at least one."""
        left, top = min(round(self.left * size[0]), size[0] - 1), min(round(self.top * size[1]), size[1] - 1)
        return left, top, max(round(self.right * size[0]), left + 1), max(round(self.bottom * size[1]), top + 1)

    def fit_of_whole(self, fit: tuple[int, int] | None) -> tuple[int, int] | None:
        """What the whole picture must fit into so that its region fits into `fit`."""
        if fit is None:
            return None
        return round(fit[0] / (self.right - self.left)), round(fit[1] / (self.bottom - self.top))


@dataclass(frozen=True, slots=True)
class Placement:
    """A box of the picture, in whole pixels; then turned clockwise, then flipped, then scaled to `size`."""

    box: tuple[int, int, int, int]
    size: tuple[int, int]
    rotation: int = 0
    is_flipped: bool = False
    is_upside_down: bool = False

    def apply(self, picture: Image.Image) -> Image.Image:
        if self.box != (0, 0, *picture.size):
            picture = picture.crop(self.box)
        if turn := _TURNS.get(self.rotation):
            picture = picture.transpose(turn)
        if self.is_flipped:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.is_upside_down:
            picture = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        return picture if picture.size == self.size else picture.resize(self.size, Image.Resampling.BILINEAR)

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the picture, 0 at the outer edge of its first pixel, comes to lie."""
        left, top, right, bottom = self.box
        width, height = right - left, bottom - top
        x, y = x - left, y - top
        x, y = {90: (height - y, x), 180: (width - x, height - y), 270: (y, width - x)}.get(self.rotation, (x, y))
        if self.rotation in (90, 270):
            width, height = height, width
        x = width - x if self.is_flipped else x
        y = height - y if self.is_upside_down else y
        return x * self.size[0] / width, y * self.size[1] / height


_TURNS: Final = {
    90: Image.Transpose.ROTATE_270,  # Pillow turns the other way
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


def placement(size: tuple[int, int], viewport: Viewport | None) -> Placement:
    """How a picture of this size is shown; without a viewport as it is. Raises OutOfBounds."""
    if viewport is None:
        return placed((0, 0, *size), None)
    width = size[0] if viewport.region_width is None else viewport.region_width
    height = size[1] if viewport.region_height is None else viewport.region_height
    box = (
        max(0, round(viewport.left)),
        max(0, round(viewport.top)),
        min(size[0], round(viewport.left + abs(width))),
        min(size[1], round(viewport.top + abs(height))),
    )
    return placed(box, (viewport.width, viewport.height), is_flipped=width < 0, is_upside_down=height < 0)


def placed_region(size: tuple[int, int], region: Region, viewport: Viewport | None) -> Placement:
    """How a region of a picture of this size is shown: within the viewport, or as it is. Raises OutOfBounds."""
    return placed(region.box(size), (viewport.width, viewport.height) if viewport else None)


def placed(
    box: tuple[int, int, int, int],
    fit: tuple[int, int] | None,
    *,
    rotation: int = 0,
    is_flipped: bool = False,
    is_upside_down: bool = False,
) -> Placement:
    """A box of the picture, as large as fits with its proportions kept; raises OutOfBounds."""
    width, height = box[2] - box[0], box[3] - box[1]
    if width < 1 or height < 1:
        raise OutOfBounds
    if rotation in (90, 270):
        width, height = height, width
    if fit is not None:
        scale = min(fit[0] / width, fit[1] / height)
        width, height = max(1, round(width * scale)), max(1, round(height * scale))
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise OutOfBounds
    return Placement(box, (width, height), rotation, is_flipped, is_upside_down)
