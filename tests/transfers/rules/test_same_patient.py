"""One patient or two."""

import pytest

from transfers.rules import identity
from transfers.rules.identity import Patient

JANE = Patient("P-1", "", "Doe^Jane", "19600704")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (JANE, True),
        (Patient("P-1", "", "Roe^Jane", "19600704"), True),
        (Patient("P-2", "", "Doe^Jane", "19600704"), False),
        (Patient("P-1", "ST-E", "Roe^Jane", "19700101"), True),
        (Patient("P-1", "MPI", "Roe^Jane", "19700101"), False),
        (Patient("P-1", "MPI", "doe^jane", ""), True),
        (Patient("P-1", "MPI", "Roe^Jane", "19600704"), True),
        (Patient("", "", "DOE^JANE", "19600704"), True),
        (Patient("", "", "Doe^Jane", "19600705"), False),
        (Patient("", "", "Roe^Jane", "19600704"), False),
    ],
)
def test_same_id_and_issuer_or_without_id_same_name_and_birth_date(other: Patient, same: bool) -> None:
    assert identity.is_same_patient(JANE, other, default_issuer="ST-E") is same
    assert identity.is_same_patient(other, JANE, default_issuer="ST-E") is same


def test_two_issuers_that_are_named_are_two_patients() -> None:
    one, other = Patient("P-1", "A", "Doe^Jane", "19600704"), Patient("P-1", "B", "Doe^Jane", "19600704")
    assert not identity.is_same_patient(one, other, default_issuer="A")


def test_nameless_instances_are_of_one_nobody() -> None:
    nobody = Patient("", "", "", "")
    assert identity.tell_apart([nobody, nobody], default_issuer="X") == [nobody]


def test_patients_are_told_apart_in_order() -> None:
    jack = Patient("P-2", "", "Doe^Jack", "")
    assert identity.tell_apart([JANE, jack, JANE], default_issuer="X") == [JANE, jack]


@pytest.mark.parametrize(
    ("name", "normalised"),
    [
        ("Doe^Jane", "doe jane"),
        ("DOE^JANE^^", "doe jane"),
        ("Doe ^ Jane", "doe jane"),
        ("Yamada^Tarou=\u5c71\u7530^\u592a\u90ce", "yamada tarou"),
        ("=\u5c71\u7530^\u592a\u90ce", "\u5c71\u7530 \u592a\u90ce"),
        ("Mu\u0308ller", "m\u00fcller"),
        ("", ""),
    ],
)
def test_spelling_is_set_aside(name: str, normalised: str) -> None:
    assert identity.normalised_name(name) == normalised


def test_a_record_and_a_sandbox_say_the_same_name() -> None:
    record = {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Ideographic": "\u5c71\u7530^\u592a\u90ce"}]},
        "00100030": {"vr": "DA", "Value": ["19600704"]},
    }
    assert identity.name_and_birth_date(record) == ("Yamada^Tarou=\u5c71\u7530^\u592a\u90ce", "19600704")
