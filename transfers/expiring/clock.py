"""The two clocks: the database's decides, the host's only tells that one of them is wrong."""

from datetime import UTC, datetime

from transfers import births


def now() -> datetime:
    """The database's time: that of the transaction where one is open."""
    return births.database_now()


def host_now() -> datetime:
    return datetime.now(UTC)
