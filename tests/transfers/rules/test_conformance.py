"""The rules of validation, one by one, and the table of what they may say."""

from pathlib import Path

import pytest
from django.conf import settings

from transfers.rules import conformance, findings
from transfers.rules.conformance import InstanceFacts, Promise, SeriesFacts, Stored
from transfers.rules.findings import KINDS, Found, Grade
from transfers.rules.identity import Patient

CT = Stored("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", 512)
JANE = Patient("P-1", "", "Doe^Jane", "19600704")
NEVER = ("unreadable", "malware", "integrity")


def codes(found: list[Found]) -> list[str]:
    return [one.code for one in found]


def test_a_plain_image_has_nothing_to_say() -> None:
    assert conformance.codes_of_instance(InstanceFacts(modality="CT", pixel_bits=4096), CT) == ()


@pytest.mark.parametrize(
    ("facts", "stored", "code"),
    [
        (InstanceFacts(active="script"), CT, "active-content"),
        (InstanceFacts(pixel_bits=4097), CT, "pixels-short"),
        (InstanceFacts(knows_characters=False), CT, "characters-unknown"),
        (InstanceFacts(is_lossy=True), CT, "lossy"),
        (InstanceFacts(burned_in="YES"), CT, "burned-in"),
        (InstanceFacts(bad_values=1), CT, "values-unclear"),
        (InstanceFacts(), Stored("1.2.840.10008.5.1.4.1.1.7", CT.transfer_syntax_uid, 1), "burned-in"),
        (InstanceFacts(), Stored(CT.sop_class_uid, "1.2.840.113619.5.2", 1), "syntax-not-shown"),
        (InstanceFacts(), Stored("1.2.3.4", CT.transfer_syntax_uid, 1), "class-unknown"),
    ],
)
def test_each_rule_finds_what_it_is_for(facts: InstanceFacts, stored: Stored, code: str) -> None:
    assert conformance.codes_of_instance(facts, stored) == (code,)


@pytest.mark.parametrize(
    ("facts", "stored"),
    [
        (InstanceFacts(pixel_bits=4096 * 8), Stored(CT.sop_class_uid, "1.2.840.10008.1.2.4.50", None)),
        (InstanceFacts(burned_in="NO"), Stored("1.2.840.10008.5.1.4.1.1.7", CT.transfer_syntax_uid, 1)),
        (InstanceFacts(), Stored("1.2.840.10008.5.1.4.1.1.77.1.6", CT.transfer_syntax_uid, 1)),
    ],
)
def test_each_rule_lets_its_neighbour_pass(facts: InstanceFacts, stored: Stored) -> None:
    assert conformance.codes_of_instance(facts, stored) == ()


def test_every_rule_has_its_row() -> None:
    assert set(conformance.INSTANCE_RULES) <= set(KINDS)


def test_one_patient_under_one_name_is_no_finding() -> None:
    same = Patient("P-1", "", "DOE^JANE^^", "19600704")
    assert conformance.of_patients([JANE, same], default_issuer="X") == []


def test_two_patients_are_told_by_name() -> None:
    (found,) = conformance.of_patients([JANE, Patient("P-2", "", "Roe^Richard^^Dr", "")], default_issuer="X")
    assert "(2): Doe, Jane (ID P-1); Roe, Richard Dr (ID P-2)." in found.sentence


def test_two_names_under_one_id_are_to_be_checked() -> None:
    found = conformance.of_patients([JANE, Patient("P-1", "", "Roe^Jane", "19600704")], default_issuer="X")
    assert codes(found) == ["name-differs"] and not conformance.stops(codes(found))


@pytest.mark.parametrize(
    ("promise", "expected"),
    [
        (Promise(present=3), []),
        (Promise(present=3, declared=3), []),
        (Promise(present=2, declared=3), ["incomplete"]),
        (Promise(present=4, declared=3), ["incomplete"]),
        (Promise(present=3, listed=3), []),
        (Promise(present=3, listed=4, absent=1), ["incomplete"]),
        (Promise(present=1, listed=4, absent=4), ["manifest-elsewhere"]),
        (Promise(present=3, finalised_by="quiet"), ["completeness-not-proven"]),
        (Promise(present=3, finalised_by="quiet", declared=3), []),
        (Promise(present=4, finalised_by="quiet", listed=3), []),
        (Promise(present=3, finalised_by="explicit"), []),
        (Promise(present=3, declared=3, committed=3), []),
        (Promise(present=3, declared=3, committed=3, committed_absent=1, uncommitted=1), ["incomplete", "undeclared"]),
        (Promise(present=2, declared=3, committed=3), []),  # the rest is in the transfer that it follows
    ],
)
def test_incomplete_is_what_is_proven(promise: Promise, expected: list[str]) -> None:
    assert codes(conformance.of_promise(promise)) == expected


def test_the_difference_is_said() -> None:
    (found,) = conformance.of_promise(Promise(present=598, declared=600))
    assert "not what was announced: 600 announced, 598 arrived." in found.sentence


def test_a_list_says_how_many_of_it_are_missing() -> None:
    (found,) = conformance.of_promise(Promise(present=5, committed=6, committed_absent=2, uncommitted=1))[:1]
    assert "2 of those announced missing, 5 arrived." in found.sentence


def test_a_finding_that_was_released_asks_for_nothing() -> None:
    (found,) = conformance.of_promise(Promise(present=1, declared=3))
    said = findings.without_advice(found.code, found.sentence)
    assert said == "What arrived is not what was announced: 3 announced, 1 arrived."
    assert findings.without_advice("unknown", "As it is.") == "As it is."


def test_gaps_in_numbers_are_noted_and_stop_nothing() -> None:
    gap, whole = SeriesFacts("1.2", "CT", 1, (1, 2, 4)), SeriesFacts("1.2", "CT", 2, (3, 1, 2))
    (found,) = conformance.of_series([gap, whole])
    assert (found.code, found.count, found.kind.grade) == ("numbers-missing", 1, Grade.NOTE)


def test_series_of_one_number_are_noted() -> None:
    twins = [SeriesFacts("1.2", "CT", 1, ()), SeriesFacts("1.2", "CT", 1, ()), SeriesFacts("1.2", "MR", 1, ())]
    assert [(one.code, one.count) for one in conformance.of_series(twins)] == [("series-numbers-alike", 2)]


def test_only_stops_hold() -> None:
    assert {code for code in KINDS if conformance.stops([code])} == {
        *("identity-conflict", "unreadable", "incomplete", "active-content", "malware", "integrity")
    }


@pytest.mark.parametrize("code", sorted(KINDS))
def test_some_stops_are_never_released(code: str) -> None:
    assert conformance.may_be_released([code]) == (code not in NEVER)


def test_one_stop_that_is_never_released_keeps_the_others() -> None:
    assert not conformance.may_be_released(["incomplete", "malware"])


def test_an_unknown_code_is_never_released() -> None:
    assert not conformance.may_be_released(["from-a-later-version"])


@pytest.mark.parametrize("code", sorted(KINDS))
def test_every_sentence_can_be_said(code: str) -> None:
    sentence = Found(code, count=2, present=3, missing=4, patients=5, names="A; B").sentence
    assert sentence.endswith(".") and "{" not in sentence and len(code) <= 40


def test_a_name_with_braces_is_only_a_name() -> None:
    assert "{count}" in Found("name-differs", names="{count}").sentence


def test_the_page_about_findings_is_the_table() -> None:
    assert (Path(settings.BASE_DIR) / "docs" / "findings.md").read_text() == findings.as_markdown()
