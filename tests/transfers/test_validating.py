"""Validation of whole transfers, on real rows, real packs and the real sandbox."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pytest_django import Settings

from accounts.models import AuditEvent
from tests import factories
from tests.transfers import misbehaving
from transfers import errors, validating, vault
from transfers.models import Finding, Instance, Job, Transfer
from transfers.rules.identity import Patient
from transfers.rules.lifecycle import Access, Event, Reason, State
from transfers.sandbox import descriptions
from transfers.validating import reading, validation
from transfers.validating.gathering import Gathered

pytestmark = pytest.mark.django_db

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"
SCRIPTED_PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /OpenAction << /S /JavaScript /JS (app.alert(1)) >> >>\nendobj\n"


def validated(transfer: Transfer) -> Transfer:
    validating.validate(transfer.pk)
    transfer.refresh_from_db()
    return transfer


def codes(transfer: Transfer) -> set[str]:
    return set(transfer.findings.values_list("code", flat=True))


def make_note(title: str, study: str, *uids: str, **attributes: Any) -> bytes:  # Any: element values
    """A Key Object Selection document that names instances of one study."""
    code, evidence, series = Dataset(), Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = title, "DCM", "Title"
    evidence.StudyInstanceUID = study
    series.SeriesInstanceUID = factories.make_uid()
    series.ReferencedSOPSequence = [_reference(uid) for uid in uids]
    evidence.ReferencedSeriesSequence = [series]
    return factories.make_ct(
        pixels=b"",
        SOPClassUID=KEY_OBJECTS,
        Modality="KO",
        StudyInstanceUID=study,
        ConceptNameCodeSequence=[code],
        CurrentRequestedProcedureEvidenceSequence=[evidence],
        **attributes,
    )


def _reference(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = factories.CT_STORAGE, uid
    return item


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
        Transfer.objects.filter(pk=transfer.pk).update(revision=99)
        return verdicts

    monkeypatch.setattr(reading, "judge_instances", judge_while_a_push_ends)
    assert validated(transfer).state == State.VALIDATING
    instance.refresh_from_db()
    assert instance.record is None and not Finding.objects.exists()


def test_what_is_neither_draft_nor_validating_is_left_alone() -> None:
    transfer = factories.make_transfer(state=State.RECEIVING)
    instance = factories.store_instance(transfer, factories.make_ct())
    validated(transfer)
    instance.refresh_from_db()
    assert instance.record is None


def test_a_manifest_of_which_a_part_is_missing_proves_incompleteness() -> None:
    transfer = factories.make_transfer()
    study, here, away = factories.make_uid(), factories.make_uid(), factories.make_uid()
    image = factories.make_ct(StudyInstanceUID=study, SOPInstanceUID=here)
    factories.store_instances(transfer, [image, make_note("113030", study, here, away)])
    assert validated(transfer).state == State.HELD and "incomplete" in codes(transfer)


def test_a_manifest_of_objects_elsewhere_is_to_be_checked_only() -> None:
    transfer = factories.make_transfer()
    factories.store_instance(transfer, make_note("113030", factories.make_uid(), factories.make_uid()))
    assert validated(transfer).state == State.AVAILABLE and "manifest-elsewhere" in codes(transfer)


def test_a_manifest_counts_what_an_earlier_transfer_holds() -> None:
    sender, study, uid = factories.make_organization(), factories.make_uid(), factories.make_uid()
    earlier = factories.make_transfer(sender, state=State.AVAILABLE)
    factories.store_instance(earlier, factories.make_ct(StudyInstanceUID=study, SOPInstanceUID=uid))
    transfer = factories.make_transfer(sender, follows=earlier)
    factories.store_instance(transfer, make_note("113030", study, uid))
    assert validated(transfer).state == State.AVAILABLE and "manifest-elsewhere" not in codes(transfer)


def sent_before(sender: Any, **attributes: Any) -> Instance:  # Any: an organisation, element values
    """An instance in a transfer that passed."""
    transfer = factories.make_transfer(sender)
    instance = factories.store_instance(transfer, factories.make_ct(**attributes))
    assert validated(transfer).state == State.AVAILABLE
    return instance


def reject(sender: Any, instance: Instance, **attributes: Any) -> Transfer:  # Any: as above
    transfer = factories.make_transfer(sender, lifetime=timedelta(days=60))
    note = make_note("113037", instance.study.study_instance_uid, instance.sop_instance_uid, **attributes)
    factories.store_instance(transfer, note)
    return validated(transfer)


def test_a_rejection_note_hides_what_the_same_sender_sent() -> None:
    sender = factories.make_organization()
    instance = sent_before(sender)
    transfer = reject(sender, instance)
    instance.refresh_from_db()
    assert transfer.state == State.AVAILABLE and instance.rejected_by == "113037"
    assert Job.objects.filter(event="transfer.rejected-instances", row=str(instance.transfer_id)).count() == 1
    assert transfer.instances.get().rejected_by == ""


def test_a_rejection_note_of_another_sender_hides_nothing() -> None:
    instance = sent_before(factories.make_organization())
    transfer = reject(factories.make_organization(), instance)
    instance.refresh_from_db()
    assert instance.rejected_by == "" and "rejection-unmatched" in codes(transfer)


def test_a_rejection_note_for_another_patient_hides_nothing() -> None:
    sender = factories.make_organization()
    instance = sent_before(sender)
    transfer = reject(sender, instance, PatientID="P-9")
    instance.refresh_from_db()
    assert instance.rejected_by == "" and "rejection-unmatched" in codes(transfer)


def test_a_rejection_note_that_is_held_acts_when_it_is_released() -> None:
    sender = factories.make_organization()
    instance = sent_before(sender)
    transfer = factories.make_transfer(sender, declared_instances=2)
    factories.store_instance(
        transfer, make_note("113001", instance.study.study_instance_uid, instance.sop_instance_uid)
    )
    assert validated(transfer).state == State.HELD
    instance.refresh_from_db()
    assert instance.rejected_by == ""
    Transfer.objects.filter(pk=transfer.pk).update(state=State.AVAILABLE)
    validating.apply_rejections(transfer.pk)
    instance.refresh_from_db()
    assert instance.rejected_by == "113001"


def test_validating_twice_tells_nobody_twice() -> None:
    sender = factories.make_organization()
    instance = sent_before(sender)
    transfer = reject(sender, instance)
    Job.objects.all().delete()
    validating.apply_rejections(transfer.pk)
    assert not Job.objects.exists()


@contextmanager
def clamd(answer: bytes | None = None) -> Iterator[str]:
    """A scanner that speaks INSTREAM and finds the test file; with `answer` it says only that."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                assert stream.read(10) == b"zINSTREAM\0"
                body = b""
                while length := int.from_bytes(stream.read(4), "big"):
                    body += stream.read(length)
                found = b"stream: Eicar-Test-Signature FOUND\0" if EICAR in body else b"stream: OK\0"
                connection.sendall(found if answer is None else answer)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def test_a_scanner_that_finds_nothing_lets_pass(settings: Settings) -> None:
    transfer = factories.make_transfer()
    factories.store_instance(transfer, factories.make_ct())
    with clamd() as settings.CLAMD_URL:
        assert validated(transfer).state == State.AVAILABLE
    assert codes(transfer) == set()


def test_malware_stops_for_good(settings: Settings) -> None:
    transfer = factories.make_transfer()
    instance = factories.store_instance(transfer, factories.make_ct(pixels=EICAR + bytes(512 - len(EICAR))))
    with clamd() as settings.CLAMD_URL:
        assert validated(transfer).state == State.HELD
    instance.refresh_from_db()
    assert codes(transfer) == {"malware"} and instance.record is None


def test_malware_in_a_document_stops(settings: Settings) -> None:
    transfer = factories.make_transfer()
    factories.store_document(transfer, EICAR)
    with clamd() as settings.CLAMD_URL:
        assert validated(transfer).state == State.HELD and codes(transfer) == {"malware"}


@pytest.mark.parametrize("answer", [b"", b"INSTREAM size limit exceeded. ERROR\0", b"stream: OK maybe\0"])
def test_a_scanner_that_gives_no_verdict_lets_nothing_pass(settings: Settings, answer: bytes) -> None:
    transfer = factories.make_transfer()
    factories.store_instance(transfer, factories.make_ct())
    with clamd(answer) as settings.CLAMD_URL, pytest.raises(errors.ScannerUnavailable):
        validating.validate(transfer.pk)
    transfer.refresh_from_db()
    assert transfer.state == State.VALIDATING


def test_a_scanner_that_is_not_there_lets_nothing_pass(settings: Settings, tmp_path: Path) -> None:
    transfer = factories.make_transfer()
    factories.store_instance(transfer, factories.make_ct())
    settings.CLAMD_URL = f"unix://{tmp_path}/clamd"
    with pytest.raises(errors.ScannerUnavailable):
        validating.validate(transfer.pk)


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
