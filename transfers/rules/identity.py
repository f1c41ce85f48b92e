"""Whose study it is and which request it answers: identifiers with the issuer that makes them unique.

An identifier without issuer belongs to the sending organisation's own domain: two hospitals' "4711" are two people.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

PATIENT_NAME: Final = "00100010"
PATIENT_ID: Final = "00100020"
ISSUER_OF_PATIENT_ID: Final = "00100021"
PATIENT_BIRTH_DATE: Final = "00100030"
ISSUER_OF_PATIENT_ID_QUALIFIERS: Final = "00100024"
ACCESSION_NUMBER: Final = "00080050"
ISSUER_OF_ACCESSION_NUMBER: Final = "00080051"
LOCAL_NAMESPACE_ENTITY_ID: Final = "00400031"
UNIVERSAL_ENTITY_ID: Final = "00400032"

Record = Mapping[str, Any]  # Any: one data set of the DICOM JSON Model (PS3.18 Annex F)


@dataclass(frozen=True, slots=True)
class Domains:
    """The issuers that an organisation's identifiers have when they name none."""

    patient: str
    accession: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Patient and request of one study; empty where the study does not say."""

    patient_id: str
    issuer: str
    accession: str
    accession_issuer: str


@dataclass(frozen=True, slots=True)
class Patient:
    """Who one instance says it is of; the issuer as the instance names it, empty where it does not."""

    patient_id: str
    issuer: str
    name: str
    birth_date: str


def is_same_patient(one: Patient, other: Patient, *, default_issuer: str) -> bool:
    """Whether two instances are of one patient: same ID and issuer; without ID same name and birth date.

    Where only one of them names its issuer (a workstation adds what the modality left out), the same ID with
    the same name or birth date is the same patient still.

    References: PS3.3 Section C.7.1.1, Table 10-18.
    """
    if not (one.patient_id and other.patient_id):
        return _names_agree(one, other) and one.birth_date == other.birth_date
    if one.patient_id != other.patient_id:
        return False
    if (one.issuer or default_issuer) == (other.issuer or default_issuer):
        return True
    is_open = not (one.issuer and other.issuer)
    return is_open and (_names_agree(one, other) or bool(one.birth_date and one.birth_date == other.birth_date))


def tell_apart(patients: Iterable[Patient], *, default_issuer: str) -> list[Patient]:
    """Return one of each patient, in the order in which they come."""
    apart: list[Patient] = []
    for patient in patients:
        if not any(is_same_patient(patient, known, default_issuer=default_issuer) for known in apart):
            apart.append(patient)
    return apart


def names_differ(patients: Iterable[Patient]) -> bool:
    """Whether two names were given that are not the same after all spelling is set aside."""
    return len({name for patient in patients if (name := normalised_name(patient.name))}) > 1


def normalised_name(name: str) -> str:
    """A person name without what equipment varies: case, accents' encoding, empty components, spaces.

    Only the first component group counts: the others write the same name once more (PS3.5 Section 6.2.1.2).
    """
    groups = [group for group in unicodedata.normalize("NFKC", name).casefold().split("=") if group.strip("^ ")]
    parts = [" ".join(part.split()) for part in groups[0].split("^")] if groups else []
    return " ".join(part for part in parts if part)


def domains(*, address: str, oid: str = "", patient_id_issuer: str = "", accession_issuer: str = "") -> Domains:
    """Return an organisation's default issuers: what it says, else its OID, else its address here."""
    own = oid or address
    return Domains(patient=patient_id_issuer or own, accession=accession_issuer or own)


def of_study(record: Record, *, default: Domains) -> Identity:
    """Read patient and request from a study's DICOM JSON record.

    The issuer's short name comes before its universal id, for that is what the default is too.

    References: PS3.3 Section C.7.1.1 and Table 10-18 (patient), Table 10-17 (accession number).
    """
    return Identity(
        patient_id=text(record, PATIENT_ID),
        issuer=(
            text(record, ISSUER_OF_PATIENT_ID)
            or text(_item(record, ISSUER_OF_PATIENT_ID_QUALIFIERS), UNIVERSAL_ENTITY_ID)
            or default.patient
        ),
        accession=text(record, ACCESSION_NUMBER),
        accession_issuer=(
            text(_item(record, ISSUER_OF_ACCESSION_NUMBER), LOCAL_NAMESPACE_ENTITY_ID)
            or text(_item(record, ISSUER_OF_ACCESSION_NUMBER), UNIVERSAL_ENTITY_ID)
            or default.accession
        ),
    )


def patient_parts(identity: Identity) -> tuple[str, ...] | None:
    """Return what the patient's look-up hash is made of, None where there is no patient ID."""
    return ("patient", identity.patient_id, identity.issuer) if identity.patient_id else None


def accession_parts(identity: Identity) -> tuple[str, ...] | None:
    """Return what the request's look-up hash is made of, None where there is no accession number."""
    return ("accession", identity.accession, identity.accession_issuer) if identity.accession else None


def _names_agree(one: Patient, other: Patient) -> bool:
    return normalised_name(one.name) == normalised_name(other.name)


def name_and_birth_date(record: Record) -> tuple[str, str]:
    """Read them from a record; of the name's groups the first that is given (PS3.18 Section F.2.2)."""
    # Any: the JSON of an element's values
    names: Sequence[Any] = record.get(PATIENT_NAME, {}).get("Value") or ()
    groups = names[0] if names and isinstance(names[0], Mapping) else {}
    given = [str(groups[group]) for group in ("Alphabetic", "Ideographic", "Phonetic") if groups.get(group)]
    return "=".join(given), text(record, PATIENT_BIRTH_DATE)


def text(record: Record, tag: str) -> str:
    """The first value of an element, empty where there is none."""
    # Any: the JSON of an element's values
    values: Sequence[Any] = record.get(tag, {}).get("Value") or ()
    return str(values[0]).strip() if values and values[0] is not None else ""


def _item(record: Record, tag: str) -> Record:
    # Any: the JSON of a sequence's items
    items: Sequence[Any] = record.get(tag, {}).get("Value") or ()
    return items[0] if items and isinstance(items[0], Mapping) else {}
