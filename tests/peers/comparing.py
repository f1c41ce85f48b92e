"""Whether two data sets say the same, judged by pydicom."""

import math
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

GROUP_OF_FILE_META = 0x0002
# What JSON says of itself, and what it never has (PS3.18 Annex F).
CHARACTER_SET, GROUP_LENGTH = "00080005", "0000"

# Photometric interpretation, planar configuration, bits, offset tables, pixel data; and padding at the end, which
# means nothing (PS3.10 Section 7.2).
OF_PIXELS = frozenset({0x00280004, 0x00280006, 0x00280100, 0x7FE00001, 0x7FE00002, 0x7FE00003, 0x7FE00010, 0xFFFCFFFC})


def read(source: Path | bytes) -> Dataset:
    with warnings.catch_warnings(action="ignore"):
        return pydicom.dcmread(source if isinstance(source, Path) else BytesIO(source))


def are_equal(found: Dataset, original: Dataset) -> bool:
    """Element by element, for two numbers that are none of them are never equal as a whole."""
    with warnings.catch_warnings(action="ignore"):
        return found == original or (
            found.keys() == original.keys() and all(_raw(found, tag) == _raw(original, tag) for tag in found.keys())  # noqa: SIM118
        )


def are_alike(found: Dataset, original: Dataset, *, save_for: frozenset[int] = frozenset()) -> bool:
    """The same values in whatever transfer syntax; group lengths go (PS3.5 Section 7.2), octets may be swapped."""
    with warnings.catch_warnings(action="ignore"):
        tags = [tag for tag in original.keys() if tag.element and tag not in save_for]  # noqa: SIM118
        others = [tag for tag in found.keys() if tag.element and tag not in save_for]  # noqa: SIM118
        return tags == others and all(_alike(found, original, tag) for tag in tags)


def are_alike_decompressed(found: Dataset, original: Dataset) -> bool:
    """Save for what decompression may change (PS3.5 Section 8.2); grey pixels as pydicom decodes them, if it does."""
    if not are_alike(found, original, save_for=OF_PIXELS):
        return False
    if original.get("SamplesPerPixel") != 1:
        return True
    with warnings.catch_warnings(action="ignore"):
        try:
            pixels = original.pixel_array
        except Exception:  # whatever its plugins raise at what they do not know
            return True
        return bool((found.pixel_array == pixels).all())


def differences(found: dict[str, Any], original: Dataset) -> Iterator[str]:
    """Where DICOM JSON and the file differ (PS3.18 Annex F); bulk data are only named there.

    pydicom makes the other JSON, element by element. What it cannot make is passed over.
    """
    with warnings.catch_warnings(action="ignore"):
        for tag in original.keys():  # noqa: SIM118 - iterating would convert the values
            name = f"{tag:08X}"
            if tag.group == GROUP_OF_FILE_META or tag.element == 0 or name == CHARACTER_SET:
                continue
            if name not in found:
                yield f"{name} is missing"
            elif (wanted := _json(original, tag)) is not None and not _agree(found[name], wanted):
                yield f"{name} differs"
    yield from (f"{name} is too much" for name in found if int(name, 16) not in original and name != CHARACTER_SET)


def _alike(found: Dataset, original: Dataset, tag: Any) -> bool:  # Any: pydicom's
    try:
        mine, other = found[tag].value, original[tag].value
    except Exception:  # whatever a value out of order makes it raise
        return _raw(found, tag) == _raw(original, tag)
    if isinstance(mine, bytes) and isinstance(other, bytes):
        return mine in (other, *(_swapped(other, width) for width in (2, 4, 8)))
    if isinstance(mine, Sequence) and isinstance(other, Sequence):
        return len(mine) == len(other) and all(are_alike(*items) for items in zip(mine, other, strict=True))
    return bool(mine == other or str(mine) == str(other))


def _swapped(octets: bytes, width: int) -> bytes:
    return b"".join(octets[at : at + width][::-1] for at in range(0, len(octets), width))


def _raw(ds: Dataset, tag: Any) -> str:  # Any: pydicom's
    element = ds.get_item(tag)
    return repr(element.value) if element is not None else ""


def _json(original: Dataset, tag: Any) -> Any:  # Any: JSON
    try:
        return original[tag].to_json_dict(bulk_data_element_handler=None, bulk_data_threshold=1 << 40)
    except Exception:  # whatever a value out of order makes it raise
        return None


def _agree(found: Any, wanted: Any) -> bool:  # Any: JSON
    if "BulkDataURI" in found:
        return True
    if "InlineBinary" in found or "InlineBinary" in wanted:
        return bool(found.get("InlineBinary") == wanted.get("InlineBinary"))
    mine, other = found.get("Value") or [], wanted.get("Value") or []
    return len(mine) == len(other) and all(_same(one, two) for one, two in zip(mine, other, strict=True))


def _same(one: Any, two: Any) -> bool:  # Any: JSON
    if isinstance(one, dict) and isinstance(two, dict):
        if all(isinstance(value, dict) for value in (*one.values(), *two.values())):
            names = {name for name in (*one, *two) if name != CHARACTER_SET and not name.endswith(GROUP_LENGTH)}
            return all(name in one and name in two and _agree(one[name], two[name]) for name in names)
        groups = {name for name in (*one, *two) if one.get(name) or two.get(name)}
        return all(_text(one.get(name)) == _text(two.get(name)) for name in groups)
    try:
        return math.isclose(float(one), float(two), rel_tol=1e-9)
    except (TypeError, ValueError):
        return _text(one) == _text(two)


def _text(value: Any) -> str:  # Any: JSON
    return "" if value is None else str(value).strip(" \0")
