"""Manifests and rejection notes in whole transfers."""

from datetime import timedelta
from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests import factories
from tests.transfers.judged import codes, validated
from transfers import validating
from transfers.models import Instance, Job, Transfer
from transfers.rules.lifecycle import State

pytestmark = pytest.mark.django_db

KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"


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
