"""Two senders, one SOP Instance UID, different bytes: who is told, and who is not."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from tests import factories
from tests.actors import Actor, Cast, make_cast
from tests.factories import make_ct, make_uid
from tests.transfers.judged import codes
from transfers import addressing, tasks, validating
from transfers.models import Delivery, Transfer
from transfers.rules.lifecycle import Access, State

pytestmark = pytest.mark.django_db

CODE = "identifier-reused"


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def sent(cast: Cast, uid: str, *, by: Any = None, state: State = State.AVAILABLE, patient: str = "P-1") -> Transfer:
    """A transfer to the general hospital with one instance of this UID."""
    transfer = factories.make_transfer(by or cast.st_elsewhere, to=[cast.general_hospital], state=state)
    factories.store_instance(transfer, make_ct(SOPInstanceUID=uid, StudyInstanceUID="1.2.3", PatientID=patient))
    return transfer


def told(actor: Actor, transfer: Transfer) -> list[str]:
    return [finding.code for finding in addressing.describe(actor.who, transfer.pk).findings]


def test_the_recipient_is_told_of_the_later_one_and_no_sender(cast: Cast) -> None:
    uid = make_uid()
    first = sent(cast, uid)
    second = sent(cast, uid, by=cast.strangers, patient="P-2")
    validating.compare_senders(second.pk)
    assert told(cast.bob, second) == [CODE] and told(cast.bob, first) == []
    assert told(cast.mallory, second) == [] and told(cast.alice, first) == []
    (finding,) = addressing.describe(cast.bob.who, second.pk).findings
    assert "a different sender sent you before: 1." in finding.text and finding.grade == "check"


def test_it_is_looked_for_when_a_transfer_becomes_available(cast: Cast) -> None:
    uid = make_uid()
    sent(cast, uid)
    Transfer.objects.update(available_at=Now() - timedelta(hours=1))
    second = sent(cast, uid, by=cast.strangers, patient="P-2", state=State.VALIDATING)
    validating.validate(second.pk)
    tasks.drain(seconds=30)
    assert told(cast.bob, second).count(CODE) == 1
    timeline = addressing.describe(cast.mallory.who, second.pk).timeline
    assert CODE not in str(timeline)


def test_of_two_at_once_the_later_has_it_whichever_is_looked_at(cast: Cast) -> None:
    uid = make_uid()
    first, second = sent(cast, uid), sent(cast, uid, by=cast.strangers, patient="P-2")
    validating.compare_senders(first.pk)
    validating.compare_senders(second.pk)
    validating.compare_senders(second.pk)
    assert codes(first) == set()
    assert second.findings.filter(code=CODE).count() == 1


def test_the_same_bytes_are_no_matter(cast: Cast) -> None:
    file = make_ct(SOPInstanceUID=make_uid())
    for sender in (cast.st_elsewhere, cast.strangers):
        transfer = factories.make_transfer(sender, to=[cast.general_hospital], state=State.AVAILABLE)
        factories.store_instance(transfer, file)
        validating.compare_senders(transfer.pk)
        assert codes(transfer) == set()


def test_a_new_version_of_one_sender_is_no_matter(cast: Cast) -> None:
    uid = make_uid()
    sent(cast, uid)
    again = sent(cast, uid, patient="P-2")
    validating.compare_senders(again.pk)
    assert codes(again) == set()


def test_another_recipient_is_not_told(cast: Cast) -> None:
    uid = make_uid()
    sent(cast, uid)
    second = factories.make_transfer(
        cast.strangers, to=[cast.general_hospital, cast.county_clinic], state=State.AVAILABLE
    )
    factories.store_instance(second, make_ct(SOPInstanceUID=uid, PatientID="P-2"))
    validating.compare_senders(second.pk)
    assert told(cast.bob, second) == [CODE]
    assert told(cast.clinic_read, second) == []


@pytest.mark.parametrize("access", [Access.DECLINED, Access.REVOKED])
def test_what_was_taken_back_or_declined_is_no_matter(cast: Cast, access: Access) -> None:
    uid = make_uid()
    first = sent(cast, uid)
    Delivery.objects.filter(transfer=first).update(access=access)
    second = sent(cast, uid, by=cast.strangers, patient="P-2")
    validating.compare_senders(second.pk)
    assert codes(second) == set()


def test_a_department_is_not_told_of_what_another_one_got(cast: Cast) -> None:
    uid = make_uid()
    radiology = factories.make_department(cast.general_hospital, "radiology")
    neurology = factories.make_department(cast.general_hospital, "neurology")
    first = sent(cast, uid)
    Delivery.objects.filter(transfer=first).update(department=neurology)
    for department, expected in ((radiology, set()), (neurology, {CODE}), (None, {CODE})):
        later = sent(cast, uid, by=cast.strangers, patient="P-2")
        Delivery.objects.filter(transfer=later).update(department=department)
        validating.compare_senders(later.pk)
        assert codes(later) == expected
        Transfer.objects.filter(pk=later.pk).update(state=State.CLOSED)


def test_what_lapsed_and_was_opened_again_counts_as_the_first(cast: Cast) -> None:
    uid = make_uid()
    first, second = sent(cast, uid), sent(cast, uid, by=cast.strangers, patient="P-2")
    Transfer.objects.filter(pk=first.pk).update(state=State.CLOSED)
    validating.compare_senders(second.pk)
    assert codes(second) == set()
    Transfer.objects.filter(pk=first.pk).update(state=State.AVAILABLE)
    validating.compare_senders(first.pk)
    assert (codes(first), codes(second)) == (set(), {CODE})
