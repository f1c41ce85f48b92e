"""Requests for storage commitment and what is answered to them, in the DICOM JSON Model (DICOM PS3.18 Section 13).

References come in a flat list (0008,1199), or in studies and series (0008,1110); they are answered as they came.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from transfers import errors
from transfers.formats import filemeta

MAX_REFERENCES: Final = 10_000
# PS3.4 Table J.3-1; PS3.7 Annex C.
PROCESSING_FAILURE: Final = 0x0110
NO_SUCH_INSTANCE: Final = 0x0112
CLASS_CONFLICT: Final = 0x0119

_CLASS, _INSTANCE, _REASON, _URL = "00081150", "00081155", "00081197", "00081190"
_FLAT, _FAILED, _STUDIES, _FAILED_STUDIES = "00081199", "00081198", "00081110", "0008119B"
_SERIES, _CLASSES, _INSTANCES = "00081115", "00081112", "0008114A"
_STUDY_UID, _SERIES_UID = "0020000D", "0020000E"
_UNREADABLE: Final = "The body is one data set with Referenced SOP Sequence (0008,1199), or Referenced Study Sequence."
_TOO_MANY: Final = "At most 10,000 instances can be asked for at once."

Members = dict[str, Any]  # Any: DICOM JSON


@dataclass(frozen=True, slots=True)
class Reference:
    """An instance that is asked for; study and series are empty where the list is flat."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str = ""
    series_instance_uid: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A Failure Reason, or 0 and where the instance can be retrieved."""

    reference: Reference
    reason: int = 0
    url: str = ""


def references(data_set: Any) -> list[Reference]:  # Any: JSON from outside
    """What is asked for; raises BadRequest, TooBroad."""
    if not isinstance(data_set, dict) or (_FLAT in data_set) == (_STUDIES in data_set):
        raise errors.BadRequest(_UNREADABLE)
    found: dict[Reference, None] = {}
    for one in _flat(data_set, "", "") if _FLAT in data_set else _nested(data_set):
        found[one] = None
        if len(found) > MAX_REFERENCES:
            raise errors.TooBroad(_TOO_MANY)
    if not found:
        raise errors.BadRequest(_UNREADABLE)
    return list(found)


def answer(transaction_uid: str, verdicts: Sequence[Verdict]) -> Members:
    """The response: what is committed and what is not, each in the form in which it was asked for."""
    members: Members = {"00081195": _value("UI", transaction_uid)}
    kept, failed = ([one for one in verdicts if bool(one.reason) is is_failed] for is_failed in (False, True))
    is_flat = not verdicts[0].reference.study_instance_uid
    for chosen, flat, nested in ((kept, _FLAT, _STUDIES), (failed, _FAILED, _FAILED_STUDIES)):
        if chosen and is_flat:
            members[flat] = _sequence(
                [{_CLASS: _value("UI", one.reference.sop_class_uid), **_item(one)} for one in chosen]
            )
        elif chosen:
            members[nested] = _sequence(_studies(chosen))
    return dict(sorted(members.items()))


def _flat(members: Members, study: str, series: str) -> Iterator[Reference]:
    for item in _items(members, _FLAT):
        yield Reference(_uid(item, _CLASS), _uid(item, _INSTANCE), study, series)


def _nested(members: Members) -> Iterator[Reference]:
    for study in _items(members, _STUDIES):
        for series in _items(study, _SERIES):
            names = _uid(study, _STUDY_UID), _uid(series, _SERIES_UID)
            yield from _flat(series, *names)
            for one in _items(series, _CLASSES):
                for instance in _items(one, _INSTANCES):
                    yield Reference(_uid(one, _CLASS), _uid(instance, _INSTANCE), *names)


def _items(members: Members, tag: str) -> list[Members]:
    attribute = members.get(tag, {})
    values = attribute.get("Value", []) if isinstance(attribute, dict) else None
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise errors.BadRequest(_UNREADABLE)
    return values


def _uid(members: Members, tag: str) -> str:
    attribute = members.get(tag)
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    text = values[0] if isinstance(values, list) and len(values) == 1 else None
    try:
        return filemeta.uid(text.encode("ascii")) if isinstance(text, str) else _refuse(tag)
    except (errors.MalformedInstance, UnicodeEncodeError):
        return _refuse(tag)


def _refuse(tag: str) -> str:
    raise errors.BadRequest(f"A UID is missing or malformed at ({tag[:4]},{tag[4:]}).")


def _studies(verdicts: Sequence[Verdict]) -> list[Members]:
    tree: dict[str, dict[str, dict[str, list[Members]]]] = {}
    for one in verdicts:
        asked = one.reference
        by_series = tree.setdefault(asked.study_instance_uid, {}).setdefault(asked.series_instance_uid, {})
        by_series.setdefault(asked.sop_class_uid, []).append(_item(one))
    return [
        {
            _SERIES: _sequence([_series(uid, classes) for uid, classes in series.items()]),
            _STUDY_UID: _value("UI", study),
        }
        for study, series in tree.items()
    ]


def _series(uid: str, classes: Mapping[str, list[Members]]) -> Members:
    by_class = [{_INSTANCES: _sequence(items), _CLASS: _value("UI", name)} for name, items in classes.items()]
    return {_CLASSES: _sequence(by_class), _SERIES_UID: _value("UI", uid)}


def _item(one: Verdict, *, with_class: bool = False) -> Members:
    item = {_CLASS: _value("UI", one.reference.sop_class_uid)} if with_class else {}
    item |= {_INSTANCE: _value("UI", one.reference.sop_instance_uid)}
    if one.url:
        item[_URL] = _value("UR", one.url)
    if one.reason:
        item[_REASON] = _value("US", one.reason)
    return item


def _sequence(items: Sequence[Members]) -> Members:
    return {"vr": "SQ", "Value": list(items)}


def _value(vr: str, value: object) -> Members:
    return {"vr": vr, "Value": [value]}
