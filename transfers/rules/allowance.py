"""How much of an organisation's limit may be used: what is urgent has headroom."""

from typing import Final

HEADROOM_PERCENT: Final = 10


def of(limit: int, *, urgent: bool) -> int:
    """The limit itself, or with ten per cent on top."""
    return limit * (100 + HEADROOM_PERCENT) // 100 if urgent else limit
