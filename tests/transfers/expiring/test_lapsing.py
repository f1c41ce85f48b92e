"""Closing by the clock, and when everyone has what was sent."""

import pytest

from tests import factories
from tests.transfers.expiring.conftest import Make
from tests.transfers.expiring.moments import DAY, age
from transfers import expiring
from transfers.models import Intake, Job
from transfers.rules.lifecycle import Access, Progress, State

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("state", [State.AVAILABLE, State.HELD, State.RECEIVING, State.VALIDATING])
def test_what_is_over_lapses_in_every_state(sent: Make, state: State) -> None:
    transfer = sent(state=state)
    age(transfer, 31 * DAY)
    assert expiring.lapse_due() == 1
    transfer.refresh_from_db()
    assert (transfer.state, transfer.reason, transfer.closed_at is not None) == ("closed", "lapsed", True)
    assert Job.objects.filter(event="transfer.lapse", row=str(transfer.pk)).exists()


@pytest.mark.parametrize("state", [State.DRAFT, State.REJECTED])
def test_drafts_and_rejected_ones_do_not_lapse(sent: Make, state: State) -> None:
    age(sent(state=state), 31 * DAY)
    assert expiring.lapse_due() == 0


def test_what_lives_stays(sent: Make) -> None:
    sent()
    assert expiring.lapse_due() == 0


def test_lapsing_twice_is_lapsing_once(sent: Make) -> None:
    age(sent(), 31 * DAY)
    assert [expiring.lapse_due(), expiring.lapse_due()] == [1, 0]


def test_a_lapsed_transfer_gathers_no_pushes(sent: Make) -> None:
    transfer = sent(state=State.HELD)
    Intake.objects.create(sender=transfer.sender, address="x", study_instance_uid="1.2", transfer=transfer)
    age(transfer, 31 * DAY)
    expiring.lapse_due()
    assert not Intake.objects.exists()


def test_it_closes_when_every_recipient_has_proven_declined_or_lost_it(sent: Make) -> None:
    transfer = sent(close_when_fulfilled=True)
    factories.make_delivery(transfer, organization=factories.make_organization(), access=Access.DECLINED)
    factories.make_delivery(transfer, organization=factories.make_organization(), access=Access.REVOKED)
    assert not expiring.close_fulfilled(transfer.pk)
    transfer.deliveries.filter(access=Access.OPEN).update(progress=Progress.PROVEN)
    assert expiring.close_fulfilled(transfer.pk)
    transfer.refresh_from_db()
    assert (transfer.state, transfer.reason) == ("closed", "fulfilled")


def test_it_stays_open_where_the_sender_wants_that(sent: Make) -> None:
    transfer = sent(close_when_fulfilled=False)
    transfer.deliveries.update(progress=Progress.PROVEN)
    assert not expiring.close_fulfilled(transfer.pk)
