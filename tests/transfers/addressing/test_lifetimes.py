"""How long a transfer lives, which follows from its recipients, its partnership and its wishes."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from accounts.models import Partnership
from tests.actors import Cast
from tests.transfers.addressing.making import EMAIL, lives, make_draft
from transfers import addressing, errors
from transfers.models import Transfer


@pytest.mark.parametrize(
    ("recipients", "days"), [(["general-hospital"], 30), ([EMAIL], 90), (["general-hospital", EMAIL], 90)]
)
def test_how_long_it_lives_follows_from_its_recipients(cast: Cast, recipients: list[str], days: int) -> None:
    assert lives(make_draft(cast, *recipients)) == timedelta(days=days)


def test_a_partnership_may_agree_on_another_time(cast: Cast) -> None:
    Partnership.objects.update(retention_days=7)
    assert lives(make_draft(cast)) == timedelta(days=7)


def test_the_ceiling_holds_for_people_too(cast: Cast) -> None:
    cast.st_elsewhere.retention_ceiling_days = 40
    cast.st_elsewhere.save()
    assert lives(make_draft(cast, EMAIL)) == timedelta(days=40)


@pytest.mark.parametrize("wish", [timedelta(minutes=30), timedelta(days=181)])
def test_too_near_or_too_far_an_end_is_refused(cast: Cast, wish: timedelta) -> None:
    with pytest.raises(errors.InvalidField) as caught:
        make_draft(cast, until=timezone.now() + wish)
    assert caught.value.field == "until"


def test_grace_may_be_nothing(cast: Cast) -> None:
    transfer = make_draft(cast, grace=timedelta(0))
    assert transfer.purge_at == transfer.available_until


def test_an_old_draft_is_never_wrapped_for_a_day_that_is_over(cast: Cast) -> None:
    Partnership.objects.update(retention_days=1)
    transfer = addressing.create(cast.alice.who)
    moved = ("created_at", "available_until", "purge_at")
    Transfer.objects.update(**{name: F(name) - timedelta(days=25) for name in moved})
    addressing.add_recipients(cast.alice.who, transfer.transfer_id, ["general-hospital"])
    changed = Transfer.objects.get()
    assert changed.available_until < timezone.now() - timedelta(days=20)
    assert changed.day_key_id.startswith(changed.purge_at.date().isoformat())
    assert timezone.now() - timedelta(minutes=1) < changed.purge_at


def test_a_patient_added_to_a_draft_lets_it_live_longer(cast: Cast) -> None:
    transfer = make_draft(cast)
    addressing.add_recipients(cast.alice.who, transfer.pk, [EMAIL])
    transfer.refresh_from_db()
    assert lives(transfer) == timedelta(days=90)
    assert transfer.day_key_id.startswith(transfer.purge_at.date().isoformat())
