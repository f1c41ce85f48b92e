"""Whose images a transfer holds, study by study, for a person to read: what a search answers, in words."""

from dataclasses import dataclass, field
from datetime import date
from typing import Final

from accounts.principals import Principal
from transfers.access import Sight
from transfers.searching import attributes, levels, matching, query
from transfers.searching.attributes import Level
from transfers.searching.shaping import Scope
from transfers.searching.shelf import Record

MAX_STUDIES: Final = 100
_DESCRIPTION: Final = "00081030"
# PS3.3 Section C.7.1.1: Patient's Sex (0010,0040).
_SEXES: Final = {"F": "female", "M": "male", "O": "other"}


@dataclass(frozen=True, slots=True)
class Patient:
    """Who it is, as the sender's images say; empty where they do not."""

    name: str = field(repr=False)
    patient_id: str = field(repr=False)
    birth_date: date | None = field(repr=False)
    sex: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StudyOverview:
    description: str = field(repr=False)
    study_date: date | None = field(repr=False)
    modalities: str
    accession: str = field(repr=False)
    series_count: int
    instance_count: int


@dataclass(frozen=True, slots=True)
class PatientOverview:
    """One patient with the studies that are shown; there is more than one only in what is held for it."""

    patient: Patient = field(repr=False)
    studies: tuple[StudyOverview, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Overview:
    patients: tuple[PatientOverview, ...] = field(repr=False)
    more_studies: int


def overview(who: Principal, seen: Sight) -> Overview:
    """The studies of one transfer by patient, of what was validated and is shown to this caller; it is audited."""
    asked = [("includefield", _DESCRIPTION), ("limit", str(MAX_STUDIES))]
    found = levels.search(Scope(who, "", seen), query.parse(Level.STUDY, asked, levels=[Level.STUDY]))
    studies: dict[Patient, list[StudyOverview]] = {}
    for record in found.records:
        studies.setdefault(_patient(record), []).append(_study(record))
    return Overview(
        tuple(PatientOverview(patient, tuple(of_patient)) for patient, of_patient in studies.items()),
        found.remaining,
    )


def person_name(record: Record, tag: str) -> str:
    """`Doe, Jane Ann (土井)`: family name first, in each script that is there (PS3.5 Section 6.2.1.1)."""
    values = record.get(tag, {}).get("Value", ())
    groups = values[0] if values and isinstance(values[0], dict) else {}
    written = [_spoken(str(groups[name])) for name in ("Alphabetic", "Ideographic", "Phonetic") if groups.get(name)]
    return written[0] + "".join(f" ({other})" for other in written[1:]) if written else ""


def _spoken(group: str) -> str:
    family, given, middle, prefix, suffix = (part.strip() for part in (group + "^" * 4).split("^")[:5])
    rest = " ".join(part for part in (prefix, given, middle, suffix) if part)
    return ", ".join(part for part in (family, rest) if part)


def _patient(record: Record) -> Patient:
    return Patient(
        name=person_name(record, "00100010"),
        patient_id=_text(record, "00100020"),
        birth_date=_date(record, "00100030"),
        sex=_SEXES.get(_text(record, "00100040"), ""),
    )


def _study(record: Record) -> StudyOverview:
    return StudyOverview(
        description=_text(record, _DESCRIPTION),
        study_date=_date(record, attributes.STUDY_DATE),
        modalities=", ".join(matching.values(record, attributes.MODALITIES)),
        accession=_text(record, "00080050"),
        series_count=_count(record, attributes.STUDY_SERIES),
        instance_count=_count(record, attributes.STUDY_INSTANCES),
    )


def _text(record: Record, tag: str) -> str:
    return next(matching.values(record, tag), "").strip()


def _count(record: Record, tag: str) -> int:
    return int(next(matching.values(record, tag), "0"))


def _date(record: Record, tag: str) -> date | None:
    """A date as it stands in the file; one that is none is left out (PS3.5 Section 6.2: DA)."""
    text = _text(record, tag)
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if len(text) == 8 else None
    except ValueError:
        return None
