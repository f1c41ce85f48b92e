"""From stored values to shades of grey (DICOM PS3.3 Sections C.11.1, C.11.2 and C.11.6; order: PS3.4 Section N.2.1)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset

from transfers.formats.pixels import Array

LINEAR, EXACT, SIGMOID = "linear", "linear-exact", "sigmoid"
# VOI LUT Function (0028,1056), PS3.3 Section C.11.2.1.3.
_FUNCTIONS: Final = {"LINEAR": LINEAR, "LINEAR_EXACT": EXACT, "SIGMOID": SIGMOID}
Step = Callable[[Array], Array]
# Beyond so many different values a table costs more than it spares.
_MAX_TABLE: Final = 1 << 17


@dataclass(frozen=True, slots=True)
class Window:
    center: float
    width: float
    function: str = LINEAR


@dataclass(frozen=True, slots=True)
class Table:
    """A look-up table: outputs for inputs from `first` on, of so many bits."""

    values: Array
    first: int
    bits: int

    def look_up(self, values: Array) -> Array:
        index = np.clip(np.rint(values).astype(np.int64) - self.first, 0, len(self.values) - 1)
        return np.asarray(self.values[index])


@dataclass(frozen=True, slots=True)
class Rescale:
    """A straight line: the least and the greatest stored value are so after it, too, or exchanged."""

    slope: float
    intercept: float

    def __call__(self, values: Array) -> Array:
        return values * self.slope + self.intercept


@dataclass(frozen=True, slots=True)
class Grays:
    """Which steps lead from stored values to a display's; `window` and `voi` None spread what is there."""

    modality: Step | None = None
    window: Window | None = None
    voi: Table | None = None
    is_inverted: bool = False
    presentation: Table | None = None


def grays_of(ds: Dataset, *, frame: int, is_signed: bool) -> Grays:
    """What an image itself says of one of its frames, counted from 1."""
    groups = functional_groups(ds, frame)
    sources = [*(item for group in groups for item in items(group, "FrameVOILUTSequence")), ds]
    windows = [window for source in sources if (window := window_of(source))]
    tables = [] if windows else [table for source in sources if (table := voi_table(source, is_signed=is_signed))]
    return Grays(
        modality=modality_of(
            [*(item for group in groups for item in items(group, "PixelValueTransformationSequence")), ds],
            is_signed=is_signed,
        ),
        window=windows[0] if windows else None,
        voi=tables[0] if tables else None,
        is_inverted=str(ds.get("PhotometricInterpretation", "")).strip() == "MONOCHROME1",
    )


def to_display(array: Array, grays: Grays) -> Array:
    """Octets from black to white."""
    if array.dtype.kind not in "iu":
        return _shades(array, grays, array)
    low, high = int(array.min()), int(array.max())
    if high - low >= _MAX_TABLE:
        return _shades(array.astype(np.float64), grays, array)
    domain = np.arange(low, high + 1)
    extremes = np.array([low, high]) if grays.modality is None or isinstance(grays.modality, Rescale) else array
    table = _shades(domain.astype(np.float64), grays, extremes)
    # Unsigned, so that the difference of two extremes does not run over.
    index = array.view(f"u{array.itemsize}") - np.array(low).astype(f"u{array.itemsize}") if low else array
    return np.asarray(table.take(index))


def with_window(grays: Grays, window: Window) -> Grays:
    """The same steps with another window in place of the image's."""
    return replace(grays, window=window, voi=None)


def modality_of(sources: Sequence[Dataset], *, is_signed: bool) -> Step | None:
    """Modality LUT or rescale of the first source that has one (PS3.3 Section C.11.1)."""
    for source in sources:
        for item in items(source, "ModalityLUTSequence"):
            if table := _table(item, is_signed=is_signed):
                return table.look_up
        slope, intercept = first_number(source, "RescaleSlope"), first_number(source, "RescaleIntercept")
        if slope is not None or intercept is not None:
            return Rescale(1.0 if slope is None else slope, intercept or 0.0)
    return None


def window_of(source: Dataset) -> Window | None:
    """The first window that a data set names and that can be applied."""
    center, width = first_number(source, "WindowCenter"), first_number(source, "WindowWidth")
    function = _FUNCTIONS.get(str(source.get("VOILUTFunction") or "LINEAR").strip(), LINEAR)
    if center is None or width is None or width <= 0:
        return None
    return Window(center, max(width, 1.0) if function == LINEAR else width, function)


def voi_table(source: Dataset, *, is_signed: bool) -> Table | None:
    """The first VOI LUT of a data set (PS3.3 Section C.11.2.1.1)."""
    for item in items(source, "VOILUTSequence"):
        if table := _table(item, is_signed=is_signed):
            return table
    return None


def presentation_table(source: Dataset) -> Table | None:
    """A Presentation LUT (PS3.3 Section C.11.6.1)."""
    for item in items(source, "PresentationLUTSequence"):
        if table := _table(item, is_signed=False):
            return table
    return None


def functional_groups(ds: Dataset, frame: int) -> list[Dataset]:
    """The groups of one frame, then those that all share (PS3.3 Section C.7.6.16)."""
    own = items(ds, "PerFrameFunctionalGroupsSequence")
    return [*own[frame - 1 : frame], *items(ds, "SharedFunctionalGroupsSequence")[:1]]


def _shades(values: Array, grays: Grays, extremes: Array) -> Array:
    """Apply every step; among `extremes` are those whose outcome is the least and the greatest that occur."""
    if grays.modality is not None:
        values, extremes = grays.modality(values), grays.modality(extremes)
    if grays.window is not None:
        shares = _windowed(values, grays.window)
    elif grays.voi is not None:
        shares = grays.voi.look_up(values) / float((1 << grays.voi.bits) - 1)
    else:
        low, high = float(np.min(extremes)), float(np.max(extremes))
        shares = (values - low) / ((high - low) or 1.0)
    shares = np.clip(np.nan_to_num(shares), 0.0, 1.0)
    if grays.presentation is not None:
        table = grays.presentation
        shares = table.values[np.rint(shares * (len(table.values) - 1)).astype(np.int64)] / float((1 << table.bits) - 1)
    if grays.is_inverted:
        shares = 1.0 - shares
    return np.asarray(np.rint(shares * 255.0).astype(np.uint8))


def _windowed(values: Array, window: Window) -> Array:
    """Shares of white (PS3.3 Sections C.11.2.1.2.1 and C.11.2.1.3)."""
    if window.function == SIGMOID:
        # Beyond that share nothing is left to see, and the power would run over.
        power = np.clip(-4.0 * (values - window.center) / window.width, -700, 700)
        return np.asarray(1.0 / (1.0 + np.exp(power)))
    if window.function == EXACT:
        return np.asarray((values - window.center) / window.width + 0.5)
    return np.asarray((values - (window.center - 0.5)) / max(window.width - 1.0, 1e-9) + 0.5)


def _table(item: Dataset, *, is_signed: bool) -> Table | None:
    """LUT Descriptor and LUT Data (PS3.3 Section C.11.1.1); no entries means 65,536."""
    descriptor, data = _words(item.get("LUTDescriptor")), item.get("LUTData")
    if len(descriptor) != 3 or data is None:
        return None
    count, first, bits = int(descriptor[0]) & 0xFFFF or 1 << 16, int(descriptor[1]), int(descriptor[2])
    if first > 0x7FFF and is_signed:
        first -= 1 << 16
    if isinstance(data, bytes) and bits <= 8 and len(data) in (count, count + 1):
        values = np.frombuffer(data, np.uint8)
    else:
        values = _words(data)
    if not 0 < bits <= 16 or len(values) < count:
        return None
    return Table(values[:count], first, bits)


def _words(value: Any) -> Array:  # Any: whatever pydicom makes of US, SS or OW
    if isinstance(value, bytes):
        return np.frombuffer(value[: len(value) & ~1], "<u2")
    if value is None or isinstance(value, str):
        return np.array([], np.int64)
    return np.atleast_1d(np.array(list(value) if hasattr(value, "__iter__") else [value], np.int64))


def first_number(source: Dataset, keyword: str) -> float | None:
    """The first number of a value that may hold several, none, or no number."""
    try:
        value = source.get(keyword)
        if value is not None and hasattr(value, "__iter__") and not isinstance(value, str):
            value = next(iter(value), None)
        found = None if value in (None, "") else float(value)
    except (ValueError, TypeError):
        return None
    return found if found is not None and np.isfinite(found) else None


def items(ds: Dataset, keyword: str) -> list[Dataset]:
    try:
        return [item for item in ds.get(keyword) or [] if isinstance(item, Dataset)]
    except (ValueError, TypeError, NotImplementedError):  # the last is pydicom's for a VR that it does not know
        return []
