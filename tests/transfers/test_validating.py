"""Validation of whole transfers, on real rows, real packs and the real sandbox."""

import json
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import AuditEvent
from tests import factories
from tests.transfers import misbehaving
from tests.transfers.judged import codes, validated
from transfers import errors, validating, vault
from transfers.models import Finding, Instance, Job, Transfer
from transfers.rules.identity import Patient
from transfers.rules.lifecycle import Access, Event, Reason, State
from transfers.sandbox import descriptions
from transfers.validating import reading, validation
from transfers.validating.gathering import Gathered

pytestmark = pytest.mark.django_db

SCRIPTED_PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /OpenAction << /S /JavaScript /JS (app.alert(1)) >> >>\nendobj\n"


def test_a_clean_study_becomes_available() -> None:
    transfer = factories.make_transfer(to=[factories.make_organization()])
    factories.store_instances(transfer, factories.make_series(3))
    assert validated(transfer).state == State.AVAILABLE
    assert codes(transfer) == {"unscanned"}
    assert transfer.deliveries.get().was_open
    assert Job.objects.filter(event="transfer.pass", row=str(transfer.pk)).exists()


def test_records_are_sealed_with_what_a_search_asks_for() -> None:
    transfer = factories.make_transfer()
    instance = factories.store_instance(transfer, factories.make_ct(StudyDescription="Chest"))
    validated(transfer)
    instance.refresh_from_db()
    key = factories.key_of(transfer)
    assert instance.record is not None and instance.study.record is not None and instance.series.record is not None
    record = json.loads(key.open("instance", instance.sop_instance_uid, instance.record).replace(b"\0", b""))
    study = json.loads(key.open("study", instance.study.study_instance_uid, instance.study.record))
    series = json.loads(key.open("series", instance.series.series_instance_uid, instance.series.record))
    assert record["7FE00010"]["BulkDataURI"].endswith(f"/instances/{instance.sop_instance_uid}/bulkdata/7FE00010")
    assert study["00100010"]["Value"] == [{"Alphabetic": "Doe^Jane"}] and study["00081030"]["Value"] == ["Chest"]
    assert series["00080060"]["Value"] == ["CT"]
    assert b"Doe" not in instance.record and b"Doe" not in instance.study.record


def test_patient_and_accession_are_found_by_keyed_hash() -> None:
    sender = factories.make_organization(oid="1.2.3")
    transfer = factories.make_transfer(sender)
    factories.store_instance(transfer, factories.make_ct())
    validated(transfer)
    key, study = factories.key_of(transfer), transfer.studies.get()
    assert bytes(study.patient_hash or b"") == key.hash("patient", "P-1", "1.2.3")
    assert bytes(study.accession_hash or b"") == key.hash("accession", "A-1", "1.2.3")
    assert bytes(transfer.patient_hash or b"") == key.hash("patient", "P-1", "1.2.3")


def test_two_patients_stop_a_transfer_and_may_be_released() -> None:
    transfer = factories.make_transfer(to=[factories.make_organization()])
    factories.store_instances(
        transfer, [factories.make_ct(), factories.make_ct(PatientID="P-2", PatientName="Roe^Richard")]
    )
    assert (validated(transfer).state, transfer.reason) == (State.HELD, Reason.FINDINGS)
    finding = transfer.findings.get(code="identity-conflict")
    text = factories.key_of(transfer).open("finding", "identity-conflict:", finding.record or b"").decode()
    assert "Doe, Jane (ID P-1)" in text and "Roe, Richard (ID P-2)" in text
    assert not transfer.deliveries.get().was_open


def test_no_finding_text_lies_open() -> None:
    transfer = factories.make_transfer()
    factories.store_instances(transfer, [factories.make_ct(), factories.make_ct(PatientID="P-2")])
    validated(transfer)
    events = json.dumps(list(AuditEvent.objects.values_list("detail", flat=True)))
    records = b"".join(bytes(record or b"") for record in transfer.findings.values_list("record", flat=True))
    assert "Doe" not in events and b"Doe" not in records


def test_fewer_than_declared_is_incomplete_and_the_rest_cures_it() -> None:
    transfer = factories.make_transfer(declared_instances=2)
    study = factories.make_uid()
    factories.store_instance(transfer, factories.make_ct(StudyInstanceUID=study))
    assert validated(transfer).state == State.HELD and "incomplete" in codes(transfer)
    factories.store_instance(transfer, factories.make_ct(StudyInstanceUID=study, InstanceNumber=2))
    Transfer.objects.filter(pk=transfer.pk).update(state=State.VALIDATING)
    assert validated(transfer).state == State.AVAILABLE and "incomplete" not in codes(transfer)


def test_quiet_is_noted_as_unproven() -> None:
    transfer = factories.make_transfer(finalised_by="quiet")
    factories.store_instance(transfer, factories.make_ct())
    assert validated(transfer).state == State.AVAILABLE and "completeness-not-proven" in codes(transfer)


def test_a_transfer_with_nothing_in_it_is_rejected() -> None:
    assert validated(factories.make_transfer()).state == State.REJECTED


def test_a_document_alone_is_enough() -> None:
    transfer = factories.make_transfer()
    factories.store_document(transfer, b"All is well.")
    assert validated(transfer).state == State.AVAILABLE


def test_a_document_with_a_script_stops() -> None:
    transfer = factories.make_transfer()
    factories.store_document(transfer, SCRIPTED_PDF, media_type="application/pdf")
    assert validated(transfer).state == State.HELD and "active-content" in codes(transfer)


def test_an_encapsulated_pdf_with_a_script_stops() -> None:
    transfer = factories.make_transfer()
    file = factories.make_ct(
        pixels=b"",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1",
        MIMETypeOfEncapsulatedDocument="application/pdf",
        EncapsulatedDocument=SCRIPTED_PDF + b" " * (len(SCRIPTED_PDF) % 2),
    )
    instance = factories.store_instance(transfer, file)
    assert validated(transfer).state == State.HELD
    assert transfer.findings.get(code="active-content").instance == instance


def test_bytes_that_do_not_verify_stop_for_good() -> None:
    transfer = factories.make_transfer()
    instance = factories.store_instance(transfer, factories.make_ct())
    Instance.objects.filter(pk=instance.pk).update(crc32=instance.crc32 ^ 1)
    assert validated(transfer).state == State.HELD and "integrity" in codes(transfer)
    instance.refresh_from_db()
    assert instance.record is None and instance.validated_sha256 is None


def test_a_missing_pack_stops_for_good() -> None:
    transfer = factories.make_transfer()
    instance = factories.store_instance(transfer, factories.make_ct())
    vault.delete(instance.pack.name)
    assert validated(transfer).state == State.HELD and "integrity" in codes(transfer)


def test_a_storage_that_does_not_answer_is_tried_again(settings: Settings, tmp_path: Path) -> None:
    transfer = factories.make_transfer()
    factories.store_instance(transfer, factories.make_ct())
    settings.STORAGE_URL = (tmp_path / "not" / "mounted").as_uri()
    with pytest.raises(errors.StorageUnavailable):
        validating.validate(transfer.pk)
    transfer.refresh_from_db()
    assert transfer.state == State.VALIDATING


def test_an_instance_that_kills_its_reader_stops_and_the_others_are_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptions, "MODULE", "tests.transfers.misbehaving")
    transfer = factories.make_transfer()
    first, second = factories.make_series(2)
    good = factories.store_instance(transfer, first)
    bad = factories.store_instance(transfer, second.replace(b"Doe^Jane", misbehaving.DIE))
    assert validated(transfer).state == State.HELD
    assert transfer.findings.get(code="unreadable").instance == bad
    good.refresh_from_db()
    assert good.record is not None


def test_a_draft_is_checked_in_place() -> None:
    transfer = factories.make_transfer(state=State.DRAFT)
    instance = factories.store_instance(transfer, factories.make_ct())
    assert validated(transfer).state == State.DRAFT
    instance.refresh_from_db()
    assert instance.record is not None and codes(transfer) == {"unscanned"}
    assert not Job.objects.filter(event="transfer.pass").exists()


def test_verdicts_reached_in_a_draft_are_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    transfer = factories.make_transfer(state=State.DRAFT)
    factories.store_instances(transfer, [factories.make_ct(), factories.make_ct(PatientID="P-2")])
    validated(transfer)
    Transfer.objects.filter(pk=transfer.pk).update(state=State.VALIDATING)
    read: list[Instance] = []
    monkeypatch.setattr(reading, "_check", lambda instance, key: read.append(instance))
    assert validated(transfer).state == State.HELD
    assert not read and codes(transfer) == {"identity-conflict", "unscanned"}


def test_a_later_version_is_not_overwritten_and_validated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    transfer = factories.make_transfer()
    first = factories.make_ct(PatientName="Doe^J")
    instance = factories.store_instance(transfer, first)
    uid, study = instance.sop_instance_uid, instance.study.study_instance_uid
    judge = reading.judge_instances

    def judge_while_a_push_ends(instances: Any, *, key: Any) -> Any:  # Any: passed on
        verdicts = judge(instances, key=key)
        factories.store_instance(transfer, factories.make_ct(SOPInstanceUID=uid, StudyInstanceUID=study))
        Transfer.objects.filter(pk=transfer.pk).update(revision=99, state=State.RECEIVING)
        return verdicts

    monkeypatch.setattr(reading, "judge_instances", judge_while_a_push_ends)
    assert validated(transfer).state == State.RECEIVING
    instance.refresh_from_db()
    assert instance.record is None and not Finding.objects.exists()


def test_what_is_neither_draft_nor_validating_is_left_alone() -> None:
    transfer = factories.make_transfer(state=State.RECEIVING)
    instance = factories.store_instance(transfer, factories.make_ct())
    validated(transfer)
    instance.refresh_from_db()
    assert instance.record is None


def test_only_open_deliveries_are_marked_as_seen() -> None:
    transfer = factories.make_transfer()
    waiting = factories.make_delivery(transfer, organization=factories.make_organization(), access=Access.WAITING)
    factories.store_instance(transfer, factories.make_ct())
    validated(transfer)
    waiting.refresh_from_db()
    assert not waiting.was_open


def test_the_audit_trail_tells_what_a_follow_up_adds_and_replaces() -> None:
    sender, uid = factories.make_organization(), factories.make_uid()
    earlier = factories.make_transfer(sender, state=State.AVAILABLE)
    factories.store_instance(earlier, factories.make_ct(SOPInstanceUID=uid))
    transfer = factories.make_transfer(sender, follows=earlier)
    study = factories.make_uid()
    factories.store_instances(
        transfer,
        [factories.make_ct(SOPInstanceUID=uid, StudyInstanceUID=study), factories.make_ct(StudyInstanceUID=study)],
    )
    validated(transfer)
    event = AuditEvent.objects.get(subject=f"transfer:{transfer.pk}", action=f"transfer.{Event.PASS}")
    assert (event.detail["adds"], event.detail["replaces"]) == (1, 1)


def test_a_study_of_more_than_one_batch_is_written_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "BATCH", 2)
    transfer = factories.make_transfer()
    factories.store_instances(transfer, factories.make_series(5))
    assert validated(transfer).state == State.AVAILABLE
    assert transfer.instances.filter(record=None).count() == 0


def test_the_patient_of_a_record_is_the_patient_of_the_sandbox() -> None:
    said = Patient("P-1", "", "Doe^Jane", "19600704")
    transfer = factories.make_transfer(state=State.DRAFT)
    factories.store_instance(transfer, factories.make_ct())
    validated(transfer)
    gathered = Gathered()
    gathered.add_known(transfer.instances.all(), key=factories.key_of(transfer))
    assert list(gathered.patients) == [said]
