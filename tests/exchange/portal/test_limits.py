import time

import pytest

from exchange.portal import limits
from transfers import errors


def test_so_many_and_no_more() -> None:
    limit = limits.Limit(3)
    for _ in range(3):
        limit.take("192.0.2.1")
    with pytest.raises(errors.TooManyRequests) as refused:
        limit.take("192.0.2.1")
    assert 0 < refused.value.retry_after <= limits.WINDOW + 1


def test_each_address_has_its_own() -> None:
    limit = limits.Limit(1)
    limit.take("192.0.2.1")
    limit.take("192.0.2.2")


def test_a_window_later_it_is_open_again(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = limits.Limit(1)
    limit.take("192.0.2.1")
    later = time.monotonic() + limits.WINDOW
    monkeypatch.setattr(time, "monotonic", lambda: later)
    limit.take("192.0.2.1")


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_ADDRESSES", 10)
    limit = limits.Limit(1)
    for number in range(100):
        limit.take(f"192.0.2.{number}")
    assert len(limit._seen) == 10
