"""The two clocks: the database's decides, the host's only tells that one of them is wrong."""

from datetime import UTC, datetime

from django.db import connection


def now() -> datetime:
    """The database's time: that of the transaction where one is open."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def host_now() -> datetime:
    return datetime.now(UTC)
