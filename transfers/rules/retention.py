"""How long a transfer lives: the two instants of its end, and who may move them how far.

`available_until` closes access, `purge_at` (that and the grace) destroys. All times are the database's; these
functions only compute.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Final

from transfers import errors

CEILING_DAYS: Final = 180
DRAFT_IDLE: Final = timedelta(days=30)


def lifetime(
    now: datetime, *, requested: datetime | None, default_days: int, ceiling_days: int, minimum: timedelta
) -> datetime:
    """Return until when a new transfer is available; BadRequest for a date that is too near or too far."""
    until = requested if requested is not None else now + timedelta(days=default_days)
    return _within(until, now=now, start=now, ceiling_days=ceiling_days, minimum=minimum)


def extension(
    now: datetime,
    *,
    requested: datetime,
    present: datetime | None,
    available_since: datetime | None,
    ceiling_days: int,
    minimum: timedelta,
) -> datetime:
    """Return the later end of a transfer that lives, or that is opened again (`present` None).

    The ceiling is counted from the day it became available, so that no chain of extensions outruns it.
    """
    if present is not None and requested <= present:
        raise errors.BadRequest(f"It is already available until {_said(present)}. Name a later time.")
    start = available_since or now
    return _within(requested, now=now, start=start, ceiling_days=ceiling_days, minimum=minimum)


def purge_at(available_until: datetime, *, grace: timedelta) -> datetime:
    """Return when it is destroyed."""
    if grace < timedelta(0):
        raise errors.BadRequest("The grace before destruction cannot be negative.")
    return available_until + grace


def purge_day(purge_at: datetime) -> date:
    """Return the UTC day whose key a transfer is wrapped under."""
    return purge_at.astimezone(UTC).date()


def _within(until: datetime, *, now: datetime, start: datetime, ceiling_days: int, minimum: timedelta) -> datetime:
    if until.tzinfo is None:
        raise errors.BadRequest("Name the time with its time zone, such as 2026-03-01T12:00:00Z.")
    # A moment of tolerance: the caller computed `until` a little before we asked the time.
    if until < now + minimum - min(minimum / 10, timedelta(seconds=30)):
        raise errors.BadRequest(f"It must stay available for at least {_spelled(minimum)} from now.")
    days = min(ceiling_days, CEILING_DAYS)
    latest = start + timedelta(days=days)
    if until > latest + timedelta(seconds=30):
        raise errors.BadRequest(f"It may be available for at most {days} days, until {_said(latest)}.")
    return min(until, latest)


def _said(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _spelled(duration: timedelta) -> str:
    seconds = int(duration.total_seconds())
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {name}{'s' if seconds != size else ''}"
    return f"{seconds} seconds"
