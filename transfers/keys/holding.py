"""Keep the key of a day while something is wrapped under it: whoever would destroy it waits, and then sees the wrap.

A key file is there before the transaction that wraps under it has committed. Both hold a lock on its day to their end.
"""

from datetime import date

from django.db import connection


def keep(day: date) -> None:
    """Hold the key of this day in the caller's transaction; any number of transactions may."""
    _lock("pg_advisory_xact_lock_shared", day)


def take(day: date) -> None:
    """Hold the key of this day alone, when nobody keeps it any more."""
    _lock("pg_advisory_xact_lock", day)


def _lock(function: str, day: date) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(hashtext(%s))", [f"waystation.day-key.{day.isoformat()}"])
