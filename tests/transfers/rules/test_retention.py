"""The two instants at which a transfer ends."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from transfers import errors
from transfers.rules import retention

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def lifetime(requested: datetime | None, *, default: int = 30, ceiling: int = 180) -> datetime:
    return retention.lifetime(NOW, requested=requested, default_days=default, ceiling_days=ceiling, minimum=HOUR)


def extension(requested: datetime, *, present: datetime | None = NOW + DAY, ceiling: int = 180) -> datetime:
    return retention.extension(
        NOW,
        requested=requested,
        present=present,
        available_since=NOW - 100 * DAY,
        ceiling_days=ceiling,
        minimum=HOUR,
    )


def test_without_a_wish_the_default_counts() -> None:
    assert lifetime(None, default=90) == NOW + 90 * DAY


def test_a_wish_within_the_ceiling_is_granted() -> None:
    assert lifetime(NOW + 180 * DAY) == NOW + 180 * DAY


@pytest.mark.parametrize("ceiling", [180, 365])
def test_no_ceiling_is_higher_than_180_days(ceiling: int) -> None:
    with pytest.raises(errors.BadRequest, match="at most 180 days, until 2026-08-28 12:00 UTC"):
        lifetime(NOW + 181 * DAY, ceiling=ceiling)


def test_an_organisation_may_lower_the_ceiling() -> None:
    with pytest.raises(errors.BadRequest, match="at most 7 days"):
        lifetime(NOW + 8 * DAY, ceiling=7)


def test_too_short_a_life_is_refused() -> None:
    with pytest.raises(errors.BadRequest, match="at least 1 hour from now"):
        lifetime(NOW + HOUR / 2)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(errors.BadRequest, match="time zone"):
        lifetime(NOW.replace(tzinfo=None) + DAY)


def test_an_extension_must_be_later_than_the_present_end() -> None:
    with pytest.raises(errors.BadRequest, match="already available until 2026-03-02"):
        extension(NOW + DAY)


def test_the_ceiling_of_an_extension_counts_from_the_first_day() -> None:
    assert extension(NOW + 80 * DAY) == NOW + 80 * DAY
    with pytest.raises(errors.BadRequest, match="at most 180 days"):
        extension(NOW + 81 * DAY)


def test_opening_again_needs_no_later_time_than_before() -> None:
    assert extension(NOW + DAY, present=None) == NOW + DAY


def test_the_grace_may_be_nothing_but_not_negative() -> None:
    assert retention.purge_at(NOW, grace=timedelta(0)) == NOW
    with pytest.raises(errors.BadRequest):
        retention.purge_at(NOW, grace=-DAY)


def test_the_day_of_purging_is_a_utc_day() -> None:
    there = timezone(timedelta(hours=-5))
    assert retention.purge_day(datetime(2026, 3, 1, 22, tzinfo=there)).isoformat() == "2026-03-02"
