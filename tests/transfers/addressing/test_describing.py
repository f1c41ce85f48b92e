"""What each side sees of a transfer, and when."""

import pytest

from accounts.models import AuditEvent
from tests import factories, sealing
from tests.actors import Cast
from tests.transfers.addressing.making import filled_draft, make_available, make_offer, make_receiving
from transfers import addressing, errors, expiring
from transfers.rules.lifecycle import Reason, State


def test_a_recipient_sees_no_other_recipient(cast: Cast) -> None:
    transfer = make_available(cast)
    factories.make_delivery(transfer, organization=cast.county_clinic)
    view = addressing.describe(cast.bob.who, transfer.pk)
    assert [one.recipient.address for one in view.deliveries] == ["general-hospital"]
    assert "county" not in repr(view.timeline)


def test_who_has_not_accepted_sees_who_sent_it_and_no_more(cast: Cast) -> None:
    transfer = make_offer(cast)
    factories.store_instance(transfer, factories.make_ct())
    view = addressing.describe(cast.clinic_read.who, transfer.pk)
    assert view.sender.address == "st-elsewhere"
    assert (view.studies, view.instance_count, view.message, view.findings) == ((), 0, "", ())


def test_a_recipient_sees_nothing_before_it_is_available(cast: Cast) -> None:
    transfer = make_receiving(cast)
    with pytest.raises(errors.NotFound):
        addressing.describe(cast.bob.who, transfer.pk)


def test_what_has_lapsed_is_closed_before_any_sweep(cast: Cast) -> None:
    transfer = make_available(cast)
    sealing.lapse(transfer)
    view = addressing.describe(cast.bob.who, transfer.pk)
    assert (view.state, view.reason, view.studies) == (State.CLOSED, Reason.LAPSED, ())


def test_what_was_destroyed_still_says_why(cast: Cast) -> None:
    transfer = make_available(cast)
    expiring.withdraw(cast.alice.who, transfer.pk)
    (listed,) = addressing.list_transfers(cast.bob.who).transfers
    view = addressing.describe(cast.bob.who, transfer.pk)
    assert (view.state, view.reason, listed.reason) == (State.PURGED, Reason.WITHDRAWN, Reason.WITHDRAWN)


def test_the_timeline_is_the_trail(cast: Cast) -> None:
    transfer = filled_draft(cast)
    addressing.send(cast.alice.who, transfer.pk)
    told = [entry.action for entry in addressing.describe(cast.alice.who, transfer.pk).timeline]
    assert told == ["transfer.create", "transfer.send-complete"]
    assert AuditEvent.objects.filter(subject=f"transfer:{transfer.pk}").count() == 2
