"""QIDO-RS: match types, levels, paging, and counts over what the caller may see and nothing else."""

from collections.abc import Iterable
from typing import Any

import pytest
from pydicom.dataset import Dataset

from accounts.models import AuditEvent, Organization
from accounts.principals import Principal
from tests import factories, sealing
from transfers import access, errors, searching
from transfers.models import Delivery, Instance, Series, Study, Transfer
from transfers.rules.lifecycle import Access
from transfers.searching import Level, Scope, matching

BASE = "https://exchange.example/dicomweb"
ALL_KEYS = {
    Level.STUDY: [Level.STUDY],
    Level.SERIES: [Level.STUDY, Level.SERIES],
    Level.INSTANCE: [Level.STUDY, Level.SERIES, Level.INSTANCE],
}


@pytest.fixture
def sender(db: None) -> Organization:
    return factories.make_organization()


@pytest.fixture
def recipient(db: None) -> Organization:
    return factories.make_organization()


@pytest.fixture
def who(recipient: Organization) -> Principal:
    return sealing.caller(recipient)[0]


@pytest.fixture
def studies(sender: Organization, recipient: Organization) -> list[str]:
    """Three studies of three patients, each in a transfer of its own."""
    patients: list[dict[str, Any]] = [
        {"PatientName": "Doe^Jane", "PatientID": "P-1", "AccessionNumber": "A-1", "StudyDate": "20260101"},
        {"PatientName": "Müller^Jörg", "PatientID": "P-2", "AccessionNumber": "A-2", "StudyDate": "20260215"},
        {"PatientName": "DOE^JOHN", "PatientID": "P-10", "AccessionNumber": "", "StudyDate": "20260301"},
    ]
    uids = [factories.make_uid() for _ in patients]
    for uid, patient in zip(uids, patients, strict=True):
        modality = "MR" if uid == uids[1] else "CT"
        files = [factories.make_ct(StudyInstanceUID=uid, Modality=modality, **patient) for _ in range(2)]
        sealing.send(files, sender=sender, to=[recipient])
    return uids


def search(
    who: Principal, query: Iterable[tuple[str, str]] = (), *, level: Level = Level.STUDY, **scope: Any
) -> searching.Results:
    parsed = searching.parse(level, query, levels=scope.pop("levels", ALL_KEYS[level]))
    return searching.search(Scope(who, BASE, **scope), parsed)


def found(who: Principal, **keys: str) -> list[str]:
    return [record["0020000D"]["Value"][0] for record in search(who, keys.items()).records]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, [0, 1, 2]),
        ({"PatientID": "P-1"}, [0]),
        ({"00100020": "P-1"}, [0]),
        ({"PatientID": "P-1*"}, [0, 2]),
        ({"PatientID": "P-?"}, [0, 1]),
        ({"PatientID": "p-1"}, []),
        ({"PatientID": ""}, [0, 1, 2]),
        ({"PatientName": "doe*"}, [0, 2]),
        ({"PatientName": "doe^jane"}, [0]),
        ({"PatientName": "*jörg"}, [1]),
        ({"AccessionNumber": "A-2"}, [1]),
        ({"AccessionNumber": "*"}, [0, 1, 2]),
        ({"PatientName": "**"}, [0, 1, 2]),
        ({"StudyDate": "20260215"}, [1]),
        ({"StudyDate": "20260102-20260228"}, [1]),
        ({"StudyDate": "20260215-"}, [1, 2]),
        ({"StudyDate": "-20260215"}, [0, 1]),
        ({"StudyTime": "10"}, [0, 1, 2]),
        ({"StudyTime": "1012-"}, []),
        ({"StudyDate": "20260101-20260215", "StudyTime": "1200-1030"}, [1]),
        ({"ModalitiesInStudy": "MR"}, [1]),
        ({"PatientName": "doe*", "ModalitiesInStudy": "CT", "StudyDate": "20260301"}, [2]),
    ],
)
def test_keys_match(who: Principal, studies: list[str], keys: dict[str, str], expected: list[int]) -> None:
    assert found(who, **keys) == [studies[number] for number in expected]


def test_list_of_uids_matches_any(who: Principal, studies: list[str]) -> None:
    assert found(who, StudyInstanceUID=f"{studies[2]},{studies[0]}") == [studies[0], studies[2]]


@pytest.mark.parametrize(
    "query",
    [
        [("Nonsense", "1")],
        [("0010", "1")],
        [("PatientID", "1"), ("PatientID", "2")],
        [("PatientID", "1"), ("00100020", "2")],
        [("Modality", "CT")],
        [("limit", "-1")],
        [("offset", "x")],
        [("limit", "1"), ("limit", "1")],
        [("fuzzymatching", "maybe")],
        [("StudyDate", "2026")],
        [("StudyTime", "25h")],
        [("StudyInstanceUID", "1.2.*")],
        [("includefield", "all"), ("includefield", "PatientSex")],
    ],
)
def test_what_cannot_be_asked_is_refused(query: list[tuple[str, str]]) -> None:
    with pytest.raises(errors.BadRequest):
        searching.parse(Level.STUDY, query, levels=[Level.STUDY])


def test_unsupported_key_is_left_out_with_a_warning() -> None:
    query = searching.parse(Level.STUDY, [("PatientWeight", "70")], levels=[Level.STUDY])
    assert query.warnings == ("PatientWeight is not supported as a matching key and was not matched.",)


def test_fuzzy_matching_is_literal_with_a_warning(who: Principal, studies: list[str]) -> None:
    query = searching.parse(Level.STUDY, [("fuzzymatching", "true")], levels=[Level.STUDY])
    assert "Only literal matching" in query.warnings[0]


def test_required_attributes_are_there_even_without_value(who: Principal, studies: list[str]) -> None:
    record = search(who, [("PatientID", "P-10")]).records[0]
    assert record["00080050"] == {"vr": "SH"}
    assert record["00080061"] == {"vr": "CS", "Value": ["CT"]}
    assert record["00081190"]["Value"] == [f"{BASE}/studies/{studies[2]}"]
    assert (record["00201206"]["Value"], record["00201208"]["Value"]) == ([2], [2])
    assert list(record) == sorted(record)


def test_a_study_without_modality_has_an_empty_list_of_them(
    who: Principal, sender: Organization, recipient: Organization
) -> None:
    sealing.send([factories.make_ct(PatientID="P-77", Modality="")], sender=sender, to=[recipient])
    assert search(who, [("PatientID", "P-77")]).records[0]["00080061"] == {"vr": "CS", "Value": []}


def test_unicode_is_declared(who: Principal, studies: list[str]) -> None:
    record = search(who, [("PatientID", "P-2")]).records[0]
    assert record["00080005"]["Value"] == ["ISO_IR 192"]
    assert record["00100010"]["Value"][0]["Alphabetic"] == "Müller^Jörg"


def test_fields_are_included_when_asked_for(who: Principal, sender: Organization, recipient: Organization) -> None:
    sealing.send([factories.make_ct(StudyDescription="Thorax")], sender=sender, to=[recipient])
    plain, asked, everything = (
        search(who, query).records[0]
        for query in ([], [("includefield", "00081030,PatientAge")], [("includefield", "all")])
    )
    assert "00081030" not in plain
    assert asked["00081030"]["Value"] == everything["00081030"]["Value"] == ["Thorax"]


def test_pages_follow_each_other(who: Principal, studies: list[str]) -> None:
    pages = [search(who, [("limit", "2"), ("offset", str(offset))]) for offset in (0, 2, 4)]
    assert [[one["0020000D"]["Value"][0] for one in page.records] for page in pages] == [studies[:2], studies[2:], []]
    assert [page.remaining for page in pages] == [1, 0, 0]


def test_limit_of_nothing_finds_nothing(who: Principal, studies: list[str]) -> None:
    assert search(who, [("limit", "0")]).records == []


def test_stranger_finds_nothing(studies: list[str]) -> None:
    stranger = sealing.caller(factories.make_organization())[0]
    assert found(stranger) == found(stranger, StudyInstanceUID=studies[0]) == found(stranger, PatientID="P-1") == []


def test_what_is_over_leaves_the_next_search(who: Principal, studies: list[str]) -> None:
    assert found(who) == studies
    sealing.lapse(Transfer.objects.get(studies__study_instance_uid=studies[0]))
    Delivery.objects.filter(transfer__studies__study_instance_uid=studies[1]).update(access=Access.REVOKED)
    assert found(who) == [studies[2]]
    assert found(who, PatientID="P-1") == []


def test_what_comes_is_in_the_next_search(
    who: Principal, studies: list[str], sender: Organization, recipient: Organization
) -> None:
    assert found(who, PatientID="P-3") == []
    sealing.send([factories.make_ct(PatientID="P-3")], sender=sender, to=[recipient])
    assert len(found(who, PatientID="P-3")) == 1


def test_study_in_two_transfers_is_one_result(
    who: Principal, studies: list[str], sender: Organization, recipient: Organization
) -> None:
    again = factories.make_ct(StudyInstanceUID=studies[0], Modality="PT", PatientID="P-1")
    sealing.send([again], sender=sender, to=[recipient])
    (record,) = search(who, [("PatientID", "P-1")]).records
    assert record["00201208"]["Value"] == [3]
    assert record["00080061"]["Value"] == ["CT", "PT"]


def test_counts_leave_out_what_a_note_rejects(who: Principal, studies: list[str]) -> None:
    assert len(found(who)) == 3
    first = Instance.objects.filter(study__study_instance_uid=studies[0]).order_by("id").first()
    assert first is not None
    Instance.objects.filter(pk=first.pk).update(rejected_by="113001")
    Instance.objects.filter(study__study_instance_uid=studies[1]).update(rejected_by="113001")
    records = search(who).records
    assert [record["00201208"]["Value"][0] for record in records] == [1, 2]
    assert len(search(who, level=Level.SERIES).records) == 3


def test_sender_searches_one_transfer(sender: Organization, studies: list[str]) -> None:
    who = sealing.caller(sender, "read")[0]
    transfer = Transfer.objects.get(studies__study_instance_uid=studies[1])
    records = search(who, seen=access.sight(who, transfer.pk)).records
    assert [record["0020000D"]["Value"][0] for record in records] == [studies[1]]
    assert search(who).records == []


def test_series_of_a_study(who: Principal, studies: list[str]) -> None:
    records = search(who, level=Level.SERIES, levels=[Level.SERIES], study_instance_uid=studies[1]).records
    uids = set(
        Series.objects.filter(study__study_instance_uid=studies[1]).values_list("series_instance_uid", flat=True)
    )
    assert {record["0020000E"]["Value"][0] for record in records} == uids
    assert [record["00201209"]["Value"][0] for record in records] == [1, 1]
    assert all("00100010" not in record for record in records)


def test_all_series_carry_their_study(who: Principal, studies: list[str]) -> None:
    records = search(who, [("Modality", "MR")], level=Level.SERIES).records
    assert {record["00100020"]["Value"][0] for record in records} == {"P-2"}
    assert len(records) == 2


def test_series_keys_below_a_study_exclude_those_of_the_study() -> None:
    with pytest.raises(errors.BadRequest):
        searching.parse(Level.SERIES, [("StudyDate", "20260101")], levels=[Level.SERIES])


def test_sequence_keys_match_inside(who: Principal, sender: Organization, recipient: Organization) -> None:
    item = Dataset()
    item.RequestedProcedureID = "RP-7"
    sealing.send([factories.make_ct(RequestAttributesSequence=[item])], sender=sender, to=[recipient])
    for value, count in (("RP-7", 1), ("RP-8", 0)):
        query = [("RequestAttributesSequence.RequestedProcedureID", value)]
        assert len(search(who, query, level=Level.SERIES).records) == count


def test_instances_of_a_study(who: Principal, studies: list[str]) -> None:
    records = search(
        who, level=Level.INSTANCE, levels=[Level.SERIES, Level.INSTANCE], study_instance_uid=studies[0]
    ).records
    assert [record["00280010"]["Value"] for record in records] == [[16], [16]]
    assert records[0]["00081190"]["Value"][0].startswith(f"{BASE}/studies/{studies[0]}/series/")
    assert records[0]["00080060"]["Value"] == ["CT"]
    assert "7FE00010" not in records[0]


def test_instance_number_is_matched_as_a_number(who: Principal, studies: list[str]) -> None:
    assert len(search(who, [("InstanceNumber", "01")], level=Level.INSTANCE).records) == 6
    assert search(who, [("InstanceNumber", "2")], level=Level.INSTANCE).records == []


def test_instance_by_its_uid(who: Principal, studies: list[str]) -> None:
    uid = Instance.objects.order_by("id").values_list("sop_instance_uid", flat=True)[3]
    (record,) = search(who, [("SOPInstanceUID", uid)], level=Level.INSTANCE).records
    assert record["00100020"]["Value"] == ["P-2"]


def test_search_that_opens_too_much_is_refused(
    who: Principal, studies: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfers.searching.levels.MAX_OPENED", 3)
    with pytest.raises(errors.TooBroad):
        search(who, level=Level.INSTANCE)


def test_audit_names_keys_and_never_values(who: Principal, studies: list[str]) -> None:
    found(who, PatientName="Doe*")
    event = AuditEvent.objects.get(action="study.search")
    assert event.detail == {"level": "study", "keys": ["00100010"], "results": 2}


def test_study_without_record_is_not_found(who: Principal, studies: list[str]) -> None:
    Study.objects.filter(study_instance_uid=studies[0]).update(record=None)
    assert found(who) == studies[1:]


@pytest.mark.parametrize(
    ("pattern", "text", "is_match"),
    [("*", "", True), ("a*c", "abc", True), ("a*c", "abd", False), ("?", "", False), ("*a*b*", "xxaxxb", True)],
)
def test_wildcards(pattern: str, text: str, is_match: bool) -> None:
    assert matching.matcher("LO", pattern)(text) == is_match


def test_many_stars_take_no_time() -> None:
    assert not matching.matcher("LO", "*a" * 200 + "b")("a" * 5000)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("*山田*", [0, 1]),
        ("山田*", [0, 1]),
        ("山田^太郎", [0]),
        ("やまだ*", [0]),
        ("yamada^tarou", [0]),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", [0]),
        ("=山田", [1]),
        ("*太*", [0]),
    ],
)
def test_a_name_is_found_by_any_of_its_groups_and_as_it_was_written(
    who: Principal, sender: Organization, recipient: Organization, name: str, expected: list[int]
) -> None:
    uids = [factories.make_uid(), factories.make_uid()]
    for uid, written in zip(uids, ("Yamada^Tarou=山田^太郎=やまだ^たろう", "=山田"), strict=True):
        sealing.send([factories.make_ct(StudyInstanceUID=uid, PatientName=written)], sender=sender, to=[recipient])
    assert found(who, PatientName=name) == [uids[number] for number in expected]


@pytest.mark.parametrize("name", ["", ".", "..", "00100020.", ".00100020"])
def test_a_key_without_a_name_is_refused(who: Principal, name: str) -> None:
    with pytest.raises(errors.BadRequest):
        search(who, [(name, "x")])


def test_any_number_pages(who: Principal, studies: list[str]) -> None:
    assert len(search(who, [("limit", "9" * 30)]).records) == 3
    assert search(who, [("offset", "9" * 5000)]).records == []
