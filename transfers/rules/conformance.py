"""The rules of validation: small functions over plain facts, each with the section it follows.

Real studies have gaps in their numbers, no issuers and private elements: nothing that a clean study shows is
a stop. What a code means to people stands in rules/findings.py.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom._uid_dict import UID_dictionary

from transfers.rules import identity
from transfers.rules.findings import KINDS, Found, Grade
from transfers.rules.identity import Patient

# PS3.4 Annex B.5 classes in which writing in the picture is usual: secondary captures, ultrasound, scanned paper.
_WRITTEN_INTO: Final = ("1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.3.1")
# PS3.5 Annex A syntaxes that the decoders here know (docs/decisions: decoders); the others are passed on only.
_SHOWN: Final = frozenset(
    f"1.2.840.10008.1.2{suffix}"
    for suffix in (
        "",
        ".1",
        ".1.99",
        ".2",
        ".5",
        ".4.50",
        ".4.51",
        ".4.57",
        ".4.70",
        ".4.80",
        ".4.81",
        ".4.90",
        ".4.91",
    )
)


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """What the sandbox read in one instance (transfers/sandbox/descriptions.py)."""

    modality: str = ""
    series_number: int | None = None
    instance_number: int | None = None
    knows_characters: bool = True
    burned_in: str = ""
    is_lossy: bool = False
    pixel_bits: int | None = None
    bad_values: int = 0
    active: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the scanner knew of the same instance when it arrived."""

    sop_class_uid: str
    transfer_syntax_uid: str
    pixel_length: int | None


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    study_instance_uid: str
    modality: str
    number: int | None
    instance_numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Promise:
    """What a transfer should hold: `absent` are listed in a manifest and not here.

    `committed` are the instances of the sender's own list, `uncommitted` what is here and not in it.
    """

    present: int
    declared: int | None = None
    committed: int = 0
    committed_absent: int = 0
    uncommitted: int = 0
    finalised_by: str = ""
    listed: int = 0
    absent: int = 0


def may_be_released(codes: Iterable[str]) -> bool:
    """Whether a person may let a transfer go that is held for these; never, if one of them is unknown."""
    return all(code in KINDS and (KINDS[code].releasable or KINDS[code].grade != Grade.STOP) for code in codes)


def stops(codes: Iterable[str]) -> bool:
    """Whether any of these holds a transfer."""
    return any(KINDS[code].grade == Grade.STOP for code in codes)


def codes_of_instance(facts: InstanceFacts, stored: Stored) -> tuple[str, ...]:
    """Walk the rules for one instance."""
    return tuple(code for code, applies in INSTANCE_RULES.items() if applies(facts, stored))


def is_active(facts: InstanceFacts, stored: Stored) -> bool:
    """PS3.10 Section 7.5: content that another program would execute."""
    return bool(facts.active)


def has_short_pixels(facts: InstanceFacts, stored: Stored) -> bool:
    """PS3.5 Section 8.1.1: uncompressed pixel data hold every frame; a compressed one has no length to compare."""
    if facts.pixel_bits is None or stored.pixel_length is None:
        return False
    return (facts.pixel_bits + 7) // 8 > stored.pixel_length


def has_unknown_characters(facts: InstanceFacts, stored: Stored) -> bool:
    """PS3.3 Section C.12.1.1.2: Specific Character Set has defined terms."""
    return not facts.knows_characters


def is_lossy(facts: InstanceFacts, stored: Stored) -> bool:
    """PS3.3 Section C.7.6.1.1.5."""
    return facts.is_lossy


def may_show_writing(facts: InstanceFacts, stored: Stored) -> bool:
    """PS3.3 Section C.7.6.1.1.6: said so, or not denied in a class where it is usual."""
    if facts.burned_in:
        return facts.burned_in.upper() != "NO"
    return any(stored.sop_class_uid == root or stored.sop_class_uid.startswith(f"{root}.") for root in _WRITTEN_INTO)


def is_not_shown(facts: InstanceFacts, stored: Stored) -> bool:
    """PS3.5 Section 10: no decoder here, private syntaxes included."""
    return stored.transfer_syntax_uid not in _SHOWN


def is_unknown_class(facts: InstanceFacts, stored: Stored) -> bool:
    """PS3.4 Annex B.5: neither a standard SOP class nor one that was retired."""
    return stored.sop_class_uid not in UID_dictionary


def has_unclear_values(facts: InstanceFacts, stored: Stored) -> bool:
    """PS3.5 Section 6.2: values that do not fit their VR."""
    return facts.bad_values > 0


INSTANCE_RULES: Final[dict[str, Callable[[InstanceFacts, Stored], bool]]] = {
    "active-content": is_active,
    "pixels-short": has_short_pixels,
    "characters-unknown": has_unknown_characters,
    "lossy": is_lossy,
    "burned-in": may_show_writing,
    "syntax-not-shown": is_not_shown,
    "class-unknown": is_unknown_class,
    "values-unclear": has_unclear_values,
}


def of_patients(patients: Sequence[Patient], *, default_issuer: str) -> list[Found]:
    """One patient a transfer: same ID and issuer, without ID same name and birth date."""
    apart = identity.tell_apart(patients, default_issuer=default_issuer)
    if len(apart) > 1:
        return [Found("identity-conflict", patients=len(apart), names="; ".join(map(_say, apart[:5])))]
    if identity.names_differ(patients):
        names = {identity.normalised_name(patient.name): patient.name for patient in patients if patient.name}
        return [Found("name-differs", names="; ".join(_readable(name) for name in sorted(names.values())[:5]))]
    return []


def of_promise(promise: Promise) -> list[Found]:
    """Incomplete only where it is proven: by a list, by a number, or by a manifest of which a part is here."""
    found = []
    short = _short(promise)
    is_part = promise.absent and promise.absent < promise.listed
    if short or is_part:
        missing = max(short, promise.absent if is_part else 0)
        found.append(Found("incomplete", missing=missing, tally=_tally(promise, missing)))
    if promise.absent and not is_part:
        found.append(Found("manifest-elsewhere", missing=promise.absent))
    if promise.uncommitted:
        found.append(Found("undeclared", count=promise.uncommitted))
    if promise.finalised_by == "quiet" and promise.declared is None and not promise.listed:
        found.append(Found("completeness-not-proven", present=promise.present))
    return found


def _short(promise: Promise) -> int:
    """By how many a transfer differs from what its sender declared; a list says it better than its length does."""
    if promise.committed:
        return promise.committed_absent
    return abs(promise.declared - promise.present) if promise.declared is not None else 0


def _tally(promise: Promise, missing: int) -> str:
    """The two numbers that differ; a list says which objects are missing and not only how many there are."""
    if promise.declared is not None and not promise.committed and promise.declared != promise.present:
        return f"{promise.declared} announced, {promise.present} arrived"
    return f"{missing} of those announced missing, {promise.present} arrived"


def of_series(series: Sequence[SeriesFacts]) -> list[Found]:
    """Notes on numbering, which devices are free in (PS3.3 Sections C.7.3.1 and C.7.6.1)."""
    gaps = sum(1 for one in series if _has_gap(one.instance_numbers))
    numbers = [(one.study_instance_uid, one.modality, one.number) for one in series if one.number is not None]
    alike = sum(1 for number in numbers if numbers.count(number) > 1)
    found = [Found("numbers-missing", count=gaps)] if gaps else []
    return found + ([Found("series-numbers-alike", count=alike)] if alike else [])


def _has_gap(numbers: tuple[int, ...]) -> bool:
    distinct = set(numbers)
    return len(distinct) > 1 and max(distinct) - min(distinct) + 1 > len(distinct)


def _say(patient: Patient) -> str:
    name = _readable(patient.name) or "without a name"
    return f"{name} (ID {patient.patient_id})" if patient.patient_id else f"{name} (no ID)"


def _readable(name: str) -> str:
    """`Doe^Jane` as people write it: the family name, a comma, the rest."""
    family, _, given = name.partition("=")[0].partition("^")
    rest = " ".join(part for part in given.split("^") if part)
    return f"{family}, {rest}" if family and rest else family or rest
