import time

import pytest
from django.test import RequestFactory

from exchange import limits
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
    monkeypatch.setattr(limits, "MOST_NAMES", 10)
    limit = limits.Limit(1)
    for number in range(100):
        limit.take(f"192.0.2.{number}")
    assert len(limit._seen) == 10


def test_what_is_counted_afterwards_counts_too() -> None:
    limit = limits.Limit(2)
    assert limit.wait("192.0.2.1") == 0
    for _ in range(2):
        limit.add("192.0.2.1")
    assert 0 < limit.wait("192.0.2.1") <= limits.WINDOW + 1
    with pytest.raises(errors.TooManyRequests):
        limit.ensure_open("192.0.2.1")


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("", ""),
        ("x" * 500, "x" * 45),
    ],
)
def test_a_site_of_ipv6_is_one_source(address: str, source: str) -> None:
    assert limits.source_of(RequestFactory().get("/", REMOTE_ADDR=address)) == source
