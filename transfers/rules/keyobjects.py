"""What a Key Object Selection means for a transfer: a packing list, a rejection, or neither.

References: PS3.3 Section A.35.4, PS3.16 CID 7010; IHE RAD TF-2 [RAD-66], [RAD-68].
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

SOP_CLASS: Final = "1.2.840.10008.5.1.4.1.1.88.59"

# PS3.16 CID 7010 and 7011: manifests list what belongs together, rejection notes what is not to be used.
MANIFESTS: Final = frozenset({"113030", "113031"})
REJECTIONS: Final[Mapping[str, str]] = {
    "113001": "rejected for quality reasons",
    "113037": "rejected for patient safety reasons",
    "113038": "made with the wrong work list entry",
    "113039": "no longer kept by its source",
}

_TITLE, _CODE, _EVIDENCE = "0040A043", "00080100", "0040A375"
_STUDY, _SERIES_ITEMS, _SOP_ITEMS, _SOP = "0020000D", "00081115", "00081199", "00081155"

Record = Mapping[str, Any]  # Any: one data set of the DICOM JSON Model (PS3.18 Annex F)


@dataclass(frozen=True, slots=True)
class KeyObjects:
    """Title code, and (Study, SOP Instance UID) of what the document names as its evidence."""

    title: str
    references: frozenset[tuple[str, str]]

    @property
    def is_manifest(self) -> bool:
        return self.title in MANIFESTS

    @property
    def is_rejection(self) -> bool:
        return self.title in REJECTIONS


def of_record(record: Record) -> KeyObjects:
    """Read a document's DICOM JSON; what is not as it should be is not there.

    References: PS3.3 Table C.17-2 (Current Requested Procedure Evidence Sequence).
    """
    titles = [_text(item, _CODE) for item in _items(record, _TITLE)]
    return KeyObjects(titles[0] if titles else "", frozenset(_references(record)))


def _references(record: Record) -> Iterator[tuple[str, str]]:
    for study in _items(record, _EVIDENCE):
        for series in _items(study, _SERIES_ITEMS):
            for sop in _items(series, _SOP_ITEMS):
                yield _text(study, _STUDY), _text(sop, _SOP)


def _items(record: Record, tag: str) -> list[Record]:
    element = record.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return [item for item in values if isinstance(item, dict)] if isinstance(values, list) else []


def _text(record: Record, tag: str) -> str:
    element = record.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return str(values[0]) if isinstance(values, list) and values else ""
