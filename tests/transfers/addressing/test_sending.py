"""A draft is sent once it is whole, and a push is ended once nothing is in flight."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.actors import Cast
from tests.transfers.addressing.making import EMAIL, filled_draft, lives, make_receiving, state_of
from transfers import addressing, errors, lookups
from transfers.models import Delivery, Job, Lease, Transfer
from transfers.rules.lifecycle import State


def test_a_whole_draft_goes_to_validation(cast: Cast) -> None:
    transfer = filled_draft(cast)
    addressing.send(cast.alice.who, transfer.pk)
    assert state_of(transfer) == State.VALIDATING
    assert Job.objects.filter(event="transfer.send-complete", row=str(transfer.pk)).exists()


def test_its_time_counts_from_sending(cast: Cast) -> None:
    transfer = filled_draft(cast, days_old=5)
    addressing.send(cast.alice.who, transfer.pk)
    transfer.refresh_from_db()
    assert lives(transfer) == timedelta(days=35)
    assert lookups.open_key(transfer).transfer == str(transfer.pk)


def test_an_end_that_was_named_stays(cast: Cast) -> None:
    until = timezone.now() + timedelta(days=3)
    transfer = filled_draft(cast, until=until)
    addressing.send(cast.alice.who, transfer.pk)
    transfer.refresh_from_db()
    assert transfer.available_until == until


def test_a_push_in_flight_keeps_it_receiving(cast: Cast) -> None:
    transfer = filled_draft(cast)
    add_push(transfer)
    addressing.send(cast.alice.who, transfer.pk)
    assert state_of(transfer) == State.RECEIVING


def test_a_declared_count_that_is_not_reached_keeps_it_receiving(cast: Cast) -> None:
    transfer = filled_draft(cast, declared_instances=2)
    addressing.send(cast.alice.who, transfer.pk)
    assert state_of(transfer) == State.RECEIVING
    assert transfer.quiet_until is not None


@pytest.mark.parametrize("recipients", [[], ["general-hospital"]])
def test_a_draft_without_recipient_or_content_is_not_sent(cast: Cast, recipients: list[str]) -> None:
    created = addressing.create(cast.alice.who, recipients=recipients)
    with pytest.raises(errors.Conflict):
        addressing.send(cast.alice.who, created.transfer_id)


def test_recipients_named_at_sending_are_added(cast: Cast) -> None:
    created = addressing.create(cast.alice.who, declared_instances=3)
    (issued,) = addressing.send(cast.alice.who, created.transfer_id, recipients=["general-hospital", EMAIL])
    assert issued.email == EMAIL
    assert Delivery.objects.filter(transfer=created.transfer_id).count() == 2


def test_what_was_sent_is_not_sent_again(cast: Cast) -> None:
    transfer = filled_draft(cast)
    addressing.send(cast.alice.who, transfer.pk)
    with pytest.raises(errors.Conflict):
        addressing.send(cast.alice.who, transfer.pk)


def test_an_older_revision_changes_nothing(cast: Cast) -> None:
    transfer = filled_draft(cast)
    with pytest.raises(errors.PreconditionFailed):
        addressing.send(cast.alice.who, transfer.pk, revision=transfer.revision - 1)
    assert state_of(transfer) == State.DRAFT


def add_push(transfer: Transfer, *, age: timedelta = timedelta(0)) -> None:
    beat = timezone.now() - age
    Lease.objects.create(transfer=transfer, kind="push", principal="key:x", started_at=beat, heartbeat_at=beat)


def test_finalise_ends_the_pushing(cast: Cast) -> None:
    transfer = make_receiving(cast)
    assert addressing.finalise(cast.sender_store.who, transfer.pk)
    assert state_of(transfer) == State.VALIDATING
    assert transfer.finalised_by == "explicit"


def test_finalise_waits_for_a_push_in_flight(cast: Cast) -> None:
    transfer = make_receiving(cast)
    add_push(transfer)
    assert not addressing.finalise(cast.sender_store.who, transfer.pk)
    assert state_of(transfer) == State.RECEIVING
    assert transfer.finalise_requested


def test_finalise_does_not_wait_for_a_dead_push(cast: Cast) -> None:
    transfer = make_receiving(cast)
    add_push(transfer, age=timedelta(minutes=5))
    assert addressing.finalise(cast.sender_store.who, transfer.pk)
