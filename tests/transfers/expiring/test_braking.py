"""What destroys stops when a clock or a count looks wrong."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from unittest import mock
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db.models import F
from django.utils import timezone

from accounts.models import AuditEvent, Organization
from tests import factories
from tests.transfers.expiring.conftest import Make
from tests.transfers.expiring.moments import DAY, age
from transfers import expiring
from transfers.expiring import braking
from transfers.models import Job, Switch, Transfer
from transfers.rules.lifecycle import Reason, State

pytestmark = pytest.mark.django_db


def make_due(organization: Organization, count: int, *, state: State = State.CLOSED, days: int = 45) -> None:
    """Many transfers past their grace; their key does not matter to the brake."""
    reason = Reason.LAPSED if state == State.CLOSED else Reason.NONE
    first = factories.make_transfer(organization, state=state, reason=reason)
    age(first, days * DAY)
    row = Transfer.objects.values().get(pk=first.pk)
    Transfer.objects.bulk_create(
        Transfer(**{**row, "id": uuid4(), "reference": f"M{number}", "wrapped_key": None})
        for number in range(count - 1)
    )


@pytest.fixture
def purged() -> Iterator[mock.Mock]:
    with mock.patch("transfers.expiring.destroying.destroy") as destroy:
        yield destroy


def test_a_mass_that_falls_due_at_once_waits_for_an_operator(elsewhere: Organization, purged: mock.Mock) -> None:
    make_due(elsewhere, 50)
    assert expiring.purge_due() == 0
    assert Switch.objects.get(pk=braking.BRAKE).note == "50 of 50 transfers fall due at once."
    assert Job.objects.filter(event="alarm", row="purge-brake").count() == 1
    assert AuditEvent.objects.filter(action="purge-brake.on").count() == 1


def test_the_alarm_is_raised_once(elsewhere: Organization, purged: mock.Mock) -> None:
    make_due(elsewhere, 50)
    expiring.purge_due()
    expiring.purge_due()
    assert AuditEvent.objects.filter(action="purge-brake.on").count() == 1


def test_confirming_lets_through_what_was_stopped(elsewhere: Organization, purged: mock.Mock) -> None:
    make_due(elsewhere, 50)
    expiring.purge_due()
    call_command("purge", "confirm")
    assert expiring.purge_due() == 50
    assert not Switch.objects.get(pk=braking.BRAKE).is_on


def test_confirming_lets_idle_drafts_through_too(elsewhere: Organization, purged: mock.Mock) -> None:
    make_due(elsewhere, 50, state=State.DRAFT, days=31)
    assert expiring.purge_due() == 0
    call_command("purge", "confirm")
    assert expiring.purge_due() == 50


def test_another_mass_of_drafts_stops_again(elsewhere: Organization, purged: mock.Mock) -> None:
    make_due(elsewhere, 50, state=State.DRAFT, days=31)
    expiring.purge_due()
    call_command("purge", "confirm")
    Switch.objects.filter(pk=braking.CONFIRMED).update(since=F("since") - 2 * DAY)
    assert expiring.purge_due() == 0


def test_another_mass_stops_again(elsewhere: Organization, purged: mock.Mock) -> None:
    make_due(elsewhere, 50)
    expiring.purge_due()
    call_command("purge", "confirm")
    Switch.objects.filter(pk=braking.CONFIRMED).update(since=F("since") - 40 * DAY)
    assert expiring.purge_due() == 0


def test_49_are_no_mass(elsewhere: Organization, purged: mock.Mock) -> None:
    make_due(elsewhere, 49)
    assert expiring.purge_due() == 49


def test_less_than_a_fifth_is_no_mass() -> None:
    assert not braking.Load(due=50, existing=251).is_mass
    assert braking.Load(due=50, existing=250).is_mass


@pytest.mark.parametrize(("minutes", "expected"), [(-5, 0), (5, 0), (4, 1), (-4, 1)])
def test_clocks_that_differ_stop_it(sent: Make, minutes: int, expected: int) -> None:
    age(sent(state=State.CLOSED, reason=Reason.LAPSED), 45 * DAY)
    there: datetime = timezone.now() + timedelta(minutes=minutes, seconds=5 if minutes > 0 else -5)
    with mock.patch("transfers.expiring.clock.host_now", return_value=there):
        assert expiring.purge_due() == expected
    assert braking.is_on(braking.BRAKE) is not bool(expected)


def test_day_keys_wait_behind_the_brake_too(sent: Make) -> None:
    age(sent(state=State.CLOSED, reason=Reason.LAPSED), 47 * DAY)
    expiring.purge_due()
    braking.pull(braking.BRAKE, "test")
    assert expiring.destroy_day_keys() == 0


def test_after_a_long_stop_it_starts_an_hour_late(sent: Make) -> None:
    age(sent(state=State.CLOSED, reason=Reason.LAPSED), 45 * DAY)
    Switch.objects.create(name=braking.HEARTBEAT, is_on=True, since=timezone.now() - timedelta(hours=25))
    assert [expiring.purge_due(), expiring.purge_due()] == [0, 0]
    Switch.objects.filter(pk=braking.LATE).update(since=F("since") - timedelta(minutes=59, seconds=50))
    assert expiring.purge_due() == 0
    Switch.objects.filter(pk=braking.LATE).update(since=F("since") - timedelta(seconds=20))
    assert expiring.purge_due() == 1


def test_a_short_stop_changes_nothing(sent: Make) -> None:
    age(sent(state=State.CLOSED, reason=Reason.LAPSED), 45 * DAY)
    Switch.objects.create(name=braking.HEARTBEAT, is_on=True, since=timezone.now() - timedelta(hours=23))
    assert expiring.purge_due() == 1


def test_a_backup_holds_it_but_not_for_ever(sent: Make) -> None:
    age(sent(state=State.CLOSED, reason=Reason.LAPSED), 45 * DAY)
    braking.hold("backup")
    assert expiring.purge_due() == 0
    Switch.objects.filter(pk=braking.HOLD).update(since=F("since") - DAY)
    assert expiring.purge_due() == 1


def test_maintenance_holds_it(sent: Make) -> None:
    age(sent(state=State.CLOSED, reason=Reason.LAPSED), 45 * DAY)
    call_command("maintenance", "on", "new disk")
    assert expiring.purge_due() == 0
    call_command("maintenance", "off")
    assert expiring.purge_due() == 1


def test_status_says_why_it_stands_still(capsys: pytest.CaptureFixture[str]) -> None:
    braking.pull(braking.BRAKE, "The clocks of host and database differ by 9 minutes.")
    call_command("purge", "status")
    assert "differ by 9 minutes" in capsys.readouterr().out


def test_run_purges_now(sent: Make, capsys: pytest.CaptureFixture[str]) -> None:
    age(sent(state=State.CLOSED, reason=Reason.LAPSED), 45 * DAY)
    call_command("purge", "run")
    assert "1 transfer destroyed" in capsys.readouterr().out
