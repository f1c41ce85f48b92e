"""Write instances of the metadata that came for them (DICOM PS3.18 Section 10.5.2). Runs in the sandbox.

What is answered are octets and the places where bulk data belong; the scanner reads the octets as it reads any file.
"""

import json
from typing import Any, Final

from transfers.formats import composing, frames
from transfers.sandbox.child import Header

MAX_INSTANCES: Final = 10_000
_SOP_CLASS, _SOP_INSTANCE = "00080016", "00080018"


def handle(header: Header, body: bytes) -> tuple[Header, bytes]:
    """One answer for each member of a JSON array, or what is wrong with all of them."""
    try:
        data_sets = json.loads(body, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return {"error": "syntax"}, b""
    if not isinstance(data_sets, list) or not data_sets:
        return {"error": "array"}, b""
    if len(data_sets) > MAX_INSTANCES:
        return {"error": "many"}, b""
    answers, octets = [], []
    for data_set in data_sets:
        answer, written = _composed(data_set)
        answers.append(answer)
        octets.append(written)
    return {"instances": answers}, b"".join(octets)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # Any: JSON
    """A member twice would be one thing to one reader and another to the next."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _composed(data_set: Any) -> tuple[Header, bytes]:  # Any: JSON
    names = [_first(data_set, tag) for tag in (_SOP_CLASS, _SOP_INSTANCE)]
    try:
        pieces = composing.compose(data_set)
    except composing.Unwritable as error:
        return {"names": names, "unwritable": error.tag}, b""
    said = [
        len(piece) if isinstance(piece, bytes) else [piece.uri, piece.tag, piece.vr, piece.is_nested]
        for piece in pieces
    ]
    number = _whole(data_set, "00280008")
    answer = {"names": names, "pieces": said, "frames": 1 if number is None else number, "native": _native(data_set)}
    return answer, b"".join(piece for piece in pieces if isinstance(piece, bytes))


def _native(data_set: Any) -> int | None:  # Any: JSON
    """Octets of all frames uncompressed (PS3.5 Section 8.1.1), None where the attributes do not say."""
    image = frames.Image(
        rows=_whole(data_set, "00280010"),
        columns=_whole(data_set, "00280011"),
        bits_allocated=_whole(data_set, "00280100"),
        samples_per_pixel=_whole(data_set, "00280002"),
        number_of_frames=_whole(data_set, "00280008"),
        photometric_interpretation=_first(data_set, "00280004"),
    )
    bits = frames.native_bits(image)
    return None if bits is None else (bits * (image.number_of_frames or 1) + 7) // 8


def _first(data_set: Any, tag: str) -> str:  # Any: JSON
    """The first value as text; empty where there is none."""
    attribute = data_set.get(tag) if isinstance(data_set, dict) else None
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    return str(values[0])[:64] if isinstance(values, list) and values and isinstance(values[0], str | int) else ""


def _whole(data_set: Any, tag: str) -> int | None:  # Any: JSON
    text = _first(data_set, tag).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
