"""Longer, and open again."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import Organization
from accounts.principals import Principal
from tests import factories
from tests.transfers.expiring.conftest import Make, principal
from tests.transfers.expiring.moments import DAY, age
from transfers import errors, expiring
from transfers.models import Transfer
from transfers.rules.lifecycle import State

pytestmark = pytest.mark.django_db


def days_ahead(days: float) -> datetime:
    return timezone.now() + days * DAY


def test_an_extension_moves_both_ends_and_the_key_with_them(sent: Make, sender: Principal) -> None:
    transfer = sent()
    record = factories.key_of(transfer).seal("message", "", b"hello")
    until = days_ahead(60)
    extended = expiring.extend(sender, transfer.pk, until, revision=transfer.revision)
    assert (extended.available_until, extended.purge_at) == (until, until + transfer.grace)
    assert extended.day_key_id.startswith(extended.purge_at.date().isoformat())
    assert factories.key_of(extended).open("message", "", record) == b"hello"
    assert extended.revision == transfer.revision + 1


def test_look_up_hashes_move_to_the_new_day(sent: Make, sender: Principal, elsewhere: Organization) -> None:
    transfer = sent(patient_id="P-9")
    extended = expiring.extend(sender, transfer.pk, days_ahead(60))
    expected = factories.key_of(extended).hash("patient", "P-9", "st-elsewhere")
    assert bytes(extended.studies.get().patient_hash or b"") == expected == bytes(extended.patient_hash or b"")
    assert expected != bytes(transfer.patient_hash or b"")


@pytest.mark.parametrize("days", [181, 10, 0.001])
def test_too_far_and_too_near_are_refused(sent: Make, sender: Principal, days: float) -> None:
    with pytest.raises(errors.BadRequest):
        expiring.extend(sender, sent().pk, days_ahead(days))


def test_an_organisations_ceiling_counts_from_the_first_day(
    sent: Make, sender: Principal, elsewhere: Organization
) -> None:
    Organization.objects.filter(pk=elsewhere.pk).update(retention_days=20, retention_ceiling_days=60)
    transfer = sent()
    age(transfer, 20 * DAY)
    with pytest.raises(errors.BadRequest, match="at most 60 days"):
        expiring.extend(sender, transfer.pk, days_ahead(41))
    expiring.extend(sender, transfer.pk, days_ahead(39))


def test_what_the_clock_has_closed_is_opened_again_before_a_sweep(sent: Make, sender: Principal) -> None:
    transfer = sent()
    age(transfer, 40 * DAY)
    opened = expiring.reopen(sender, transfer.pk, days_ahead(30))
    assert (opened.state, opened.closed_at) == (State.AVAILABLE, None)
    with pytest.raises(errors.Conflict):
        expiring.reopen(sender, transfer.pk, days_ahead(30))


def test_an_older_revision_changes_nothing(sent: Make, sender: Principal) -> None:
    transfer = sent()
    with pytest.raises(errors.PreconditionFailed):
        expiring.extend(sender, transfer.pk, days_ahead(60), revision=transfer.revision + 1)
    assert Transfer.objects.get(pk=transfer.pk).available_until == transfer.available_until


def test_what_is_over_by_the_clock_is_not_extended(sent: Make, sender: Principal) -> None:
    transfer = sent()
    age(transfer, 31 * DAY)
    with pytest.raises(errors.Gone):
        expiring.extend(sender, transfer.pk, days_ahead(60))


def test_strangers_and_recipients_cannot(sent: Make, general: Organization) -> None:
    transfer = sent()
    with pytest.raises(errors.Forbidden):
        expiring.extend(principal(general, "read", "manage"), transfer.pk, days_ahead(60))
    with pytest.raises(errors.NotFound):
        expiring.extend(principal(factories.make_organization(), "manage"), transfer.pk, days_ahead(60))


def test_a_lapsed_transfer_opens_again_within_its_grace(sent: Make, sender: Principal) -> None:
    transfer = sent()
    age(transfer, 31 * DAY)
    expiring.lapse_due()
    opened = expiring.reopen(sender, transfer.pk, days_ahead(7))
    assert (opened.state, opened.reason, opened.closed_at) == ("available", "", None)
    assert opened.purge_at > opened.available_until > timezone.now()
    assert factories.key_of(opened)


def test_after_its_grace_it_is_gone(sent: Make, sender: Principal) -> None:
    transfer = sent()
    age(transfer, 45 * DAY)
    expiring.lapse_due()
    with pytest.raises(errors.Gone):
        expiring.reopen(sender, transfer.pk, days_ahead(7))


def test_it_opens_into_the_future_only(sent: Make, sender: Principal) -> None:
    transfer = sent()
    age(transfer, 31 * DAY)
    expiring.lapse_due()
    with pytest.raises(errors.BadRequest):
        expiring.reopen(sender, transfer.pk, timezone.now() - timedelta(hours=1))
    assert Transfer.objects.get(pk=transfer.pk).state == State.CLOSED


def test_what_lapsed_while_held_does_not_get_past_its_findings(sent: Make, sender: Principal) -> None:
    transfer = sent(state=State.HELD)
    age(transfer, 31 * DAY)
    expiring.lapse_due()
    with pytest.raises(errors.Conflict):
        expiring.reopen(sender, transfer.pk, days_ahead(7))


def test_an_open_one_is_not_opened_again(sent: Make, sender: Principal) -> None:
    with pytest.raises(errors.Conflict):
        expiring.reopen(sender, sent().pk, days_ahead(40))
