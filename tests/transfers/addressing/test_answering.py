"""An offer is accepted or declined, receipt is acknowledged, access is revoked."""

import pytest

from tests import sealing
from tests.actors import Cast
from tests.transfers.addressing.making import EMAIL, make_available, make_offer
from transfers import addressing, errors, tasks
from transfers.models import Delivery, Grant, Job
from transfers.rules.lifecycle import Access, Progress


def test_an_offer_is_accepted(cast: Cast) -> None:
    transfer = make_offer(cast)
    addressing.accept(cast.clinic_read.who, transfer.pk)
    delivery = transfer.deliveries.get()
    assert (delivery.access, delivery.was_open) == (Access.OPEN, True)
    assert Job.objects.filter(event="delivery.accept", row=str(delivery.pk)).exists()


def test_an_offer_is_declined_with_a_reason_for_the_sender_alone(cast: Cast) -> None:
    transfer = make_offer(cast)
    addressing.decline(cast.clinic_read.who, transfer.pk, reason="not our patient")
    (view,) = addressing.describe(cast.alice.who, transfer.pk).deliveries
    assert (view.access, view.decline_reason) == (Access.DECLINED, "not our patient")
    assert b"patient" not in bytes(transfer.deliveries.get().decline_record or b"")


def test_what_was_declined_is_not_accepted_afterwards(cast: Cast) -> None:
    transfer = make_offer(cast)
    addressing.decline(cast.clinic_read.who, transfer.pk, reason="no")
    with pytest.raises(errors.Conflict):
        addressing.accept(cast.clinic_read.who, transfer.pk)


def test_acknowledging_proves_receipt(cast: Cast) -> None:
    transfer = make_available(cast)
    addressing.acknowledge(cast.bob.who, transfer.pk)
    delivery = transfer.deliveries.get()
    assert (delivery.progress, delivery.proven_by) == (Progress.PROVEN, cast.bob.who.ident)


def test_what_is_not_accepted_is_not_acknowledged(cast: Cast) -> None:
    transfer = make_offer(cast)
    with pytest.raises(errors.Conflict):
        addressing.acknowledge(cast.clinic_read.who, transfer.pk)


def test_a_sender_does_not_acknowledge_for_its_recipient(cast: Cast) -> None:
    transfer = make_available(cast)
    with pytest.raises(errors.Forbidden):
        addressing.acknowledge(cast.alice.who, transfer.pk)


def test_a_policy_has_the_last_answer_looked_at(cast: Cast) -> None:
    transfer = make_available(cast, close_when_fulfilled=True)
    addressing.acknowledge(cast.bob.who, transfer.pk)
    assert Job.objects.filter(event="transfer.settle", row=str(transfer.pk)).exists()


def test_revoking_ends_access_and_links_at_once(cast: Cast) -> None:
    created = addressing.create(cast.alice.who, recipients=[EMAIL])
    delivery = Delivery.objects.get(transfer=created.transfer_id)
    addressing.revoke(cast.alice.who, delivery.pk)
    delivery.refresh_from_db()
    assert delivery.access == Access.REVOKED
    assert not Grant.objects.filter(delivery=delivery, revoked_at=None).exists()


def test_a_delivery_of_another_transfer_is_not_revoked_here(cast: Cast) -> None:
    here, there = make_available(cast), make_available(cast)
    with pytest.raises(errors.InvalidField):
        addressing.revoke(cast.alice.who, there.deliveries.get().pk, transfer_id=here.pk)


def test_a_stranger_cannot_tell_a_delivery_from_none(cast: Cast) -> None:
    delivery = make_available(cast).deliveries.get()
    with pytest.raises(errors.NotFound):
        addressing.revoke(cast.mallory.who, delivery.pk)
    with pytest.raises(errors.NotFound):
        addressing.revoke(cast.mallory.who, 999_999)


@pytest.mark.parametrize("act", ["accept", "acknowledge"])
def test_the_clock_alone_ends_a_recipients_acts(cast: Cast, act: str) -> None:
    transfer = make_available(cast)
    sealing.lapse(transfer)
    with pytest.raises(errors.Gone):
        getattr(addressing, act)(cast.bob.who, transfer.pk)


@pytest.mark.parametrize("event", ["delivery.waiting", "delivery.accept", "delivery.decline", "transfer.settle"])
def test_somebody_does_what_is_written_down(event: str) -> None:
    assert event in tasks.EVENTS
