"""What a sender does at an awkward moment: cures a mix-up, extends while it is validated, releases what was held."""

from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.utils import timezone

from accounts.models import Organization, Partnership
from accounts.principals import Place, Principal
from tests import factories, sealing
from tests.transfers.receiving.conftest import pieces, store_key
from transfers import access, addressing, errors, expiring, receiving, validating
from transfers.expiring import checking
from transfers.keys.opened import TransferKey
from transfers.models import Disclosure, Finding, Instance, Series, Study, Transfer
from transfers.rules.lifecycle import State
from transfers.validating import validation
from transfers.validating.validation import Outcome

pytestmark = pytest.mark.django_db

RIGHT = {"PatientID": "P-1", "PatientName": "Right^One"}
WRONG = {"PatientID": "P-2", "PatientName": "Wrong^Person"}


@pytest.fixture
def sender() -> Organization:
    return factories.make_organization()


@pytest.fixture
def recipient(sender: Organization) -> Organization:
    organization = factories.make_organization()
    Partnership.objects.create(sender=sender, recipient=organization, state=Partnership.State.ACCEPTED)
    return organization


@pytest.fixture
def who(sender: Organization) -> Principal:
    return store_key(sender)


def push(who: Principal, destination: access.Destination, **attributes: Any) -> None:  # Any: element values
    outcome = receiving.receive(who, destination, [pieces(factories.make_ct(**attributes))])
    assert len(outcome.stored) == 1


def flaws() -> list[str]:
    """What fsck says of the rows; objects of other tests lie in the same store."""
    return [found.sentence for found in checking.check() if " says " in found.sentence]


def test_of_a_cured_mix_up_nothing_is_left(who: Principal, recipient: Organization) -> None:
    created = addressing.create(who, recipients=[recipient.address])
    destination = access.destination_of_transfer(who, created.transfer_id)
    right, wrong, mixed_up = factories.make_uid(), factories.make_uid(), factories.make_uid()
    push(who, destination, StudyInstanceUID=right, **RIGHT)
    push(who, destination, StudyInstanceUID=wrong, SOPInstanceUID=mixed_up, **WRONG)
    addressing.send(who, created.transfer_id)
    validating.validate(created.transfer_id)
    assert Transfer.objects.get().state == State.HELD
    push(who, destination, StudyInstanceUID=right, SOPInstanceUID=mixed_up, **RIGHT)
    Transfer.objects.update(state=State.VALIDATING)
    validating.validate(created.transfer_id)
    transfer = Transfer.objects.get()
    assert (transfer.state, transfer.study_count) == (State.AVAILABLE, 1)
    assert [(s.study_instance_uid, s.instance_count, s.series_count) for s in Study.objects.all()] == [(right, 2, 2)]
    assert flaws() == []


def test_an_instance_that_moves_to_another_series_is_counted_there(who: Principal, recipient: Organization) -> None:
    destination = access.destination_of_address(who, recipient.address)
    study, first, second, moving = (factories.make_uid() for _ in range(4))
    push(who, destination, StudyInstanceUID=study, SeriesInstanceUID=first)
    for series in (first, second):
        push(who, destination, StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID=moving)
    counts = dict(Series.objects.values_list("series_instance_uid", "instance_count"))
    assert counts == {first: 1, second: 1}
    assert Study.objects.values_list("series_count", "instance_count").get() == (2, 2)
    assert flaws() == []


def test_what_was_known_of_a_place_that_was_left_is_read_anew(who: Principal, recipient: Organization) -> None:
    created = addressing.create(who, recipients=[recipient.address])
    destination = access.destination_of_transfer(who, created.transfer_id)
    study, other, moving = (factories.make_uid() for _ in range(3))
    push(who, destination, StudyInstanceUID=study, SOPInstanceUID=moving, StudyDescription="Of the one that moves")
    push(who, destination, StudyInstanceUID=study, StudyDescription="Of the one that stays")
    validating.validate(created.transfer_id)
    push(who, destination, StudyInstanceUID=other, SOPInstanceUID=moving)
    validating.validate(created.transfer_id)
    transfer, left = Transfer.objects.get(), Study.objects.get(study_instance_uid=study)
    assert left.record is not None
    record = factories.key_of(transfer).open("study", study, bytes(left.record))
    assert b"Of the one that stays" in record


def test_a_resent_instance_is_no_longer_rejected(who: Principal, recipient: Organization) -> None:
    destination = access.destination_of_address(who, recipient.address)
    study, uid = factories.make_uid(), factories.make_uid()
    push(who, destination, StudyInstanceUID=study, SOPInstanceUID=uid)
    Instance.objects.update(rejected_by="113001")
    push(who, destination, StudyInstanceUID=study, SOPInstanceUID=uid, PatientName="Later^Version")
    assert Instance.objects.get().rejected_by == ""


@pytest.mark.parametrize("act", ["extend", "revoke"])
def test_a_change_while_it_is_validated_loses_no_verdict(sender: Organization, who: Principal, act: str) -> None:
    transfer = factories.make_transfer(
        sender, to=[factories.make_organization(), factories.make_organization()], state=State.VALIDATING
    )
    factories.store_instance(transfer, factories.make_ct())
    examine = validation._examine
    acts: list[str] = []

    def disturbed(examined: Transfer, *, key: TransferKey) -> Outcome:
        outcome = examine(examined, key=key)
        if not acts:
            acts.append(act)
            if act == "extend":
                expiring.extend(who, transfer.pk, transfer.available_until + timedelta(minutes=1))
            else:
                addressing.revoke(who, transfer.deliveries.earliest("id").pk, transfer_id=transfer.pk)
        return outcome

    with mock.patch.object(validation, "_examine", disturbed):
        validating.validate(transfer.pk)
    transfer.refresh_from_db()
    assert (transfer.state, acts) == (State.AVAILABLE, [act])


def test_a_transfer_that_never_rests_is_left_to_the_next_attempt(sender: Organization) -> None:
    transfer = factories.make_transfer(sender, to=[factories.make_organization()], state=State.VALIDATING)
    with (
        mock.patch.object(validation, "_conclude", side_effect=errors.PreconditionFailed),
        pytest.raises(errors.Unavailable),
    ):
        validating.validate(transfer.pk)


def test_what_a_person_released_enters_the_register(
    sender: Organization, who: Principal, recipient: Organization
) -> None:
    transfer = sealing.send([factories.make_ct()], sender=sender, to=[recipient], state=State.HELD)
    Transfer.objects.filter(pk=transfer.pk).update(reason="findings")
    Finding.objects.create(transfer=transfer, code="identity-conflict", grade="stop", created_at=timezone.now())
    addressing.release(who, transfer.pk, note="Seen by both departments.")
    assert transfer.deliveries.get().was_open
    sealing.lapse(transfer)
    reader = Principal(kind="key", ident="key:r", places=(Place(recipient.pk, None, frozenset({"read"})),))
    with pytest.raises(errors.Gone):
        access.sight(reader, transfer.pk)
    expiring.lapse_due()
    Transfer.objects.filter(pk=transfer.pk).update(purge_at=timezone.now())
    assert expiring.purge_due() == 1
    assert Disclosure.objects.count() == 1


def test_a_credential_for_one_transfer_begins_no_other(sender: Organization, recipient: Organization) -> None:
    transfer = factories.make_transfer(sender, to=[recipient], state=State.DRAFT)
    place = Place(sender.pk, None, frozenset({"store"}))
    bound = Principal(kind="key", ident="key:b", places=(place,), bound_to=f"transfer:{transfer.pk}")
    assert access.destination_of_transfer(bound, transfer.pk).transfer_id == transfer.pk
    with pytest.raises(errors.Forbidden):
        access.destination_of_address(bound, recipient.address)
    with pytest.raises(errors.Forbidden):
        access.draft_destination(bound)
