"""So many events a minute under one name: guessing is slowed down long before it could pay.

Counted in each process by itself and in bounded memory.
"""

import ipaddress
import threading
import time
from collections import OrderedDict, deque
from typing import Final

from django.conf import settings
from django.http import HttpRequest

from transfers import errors

WINDOW: Final = 60.0  # seconds
MOST_NAMES: Final = 10_000


class Limit:
    """At most `count` events a window for each name; the name seen longest ago is forgotten first."""

    def __init__(self, count: int, sentence: str = "") -> None:
        self.count, self.sentence = count, sentence
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str) -> None:
        """Count one event; raises TooManyRequests where it is one too many."""
        with self._lock:
            if wait := self._wait(name):
                raise self.refusal(wait)
            self._add(name)

    def add(self, name: str) -> None:
        """Count one event that has happened."""
        with self._lock:
            self._add(name)

    def wait(self, name: str) -> int:
        """Seconds until one more is permitted; 0 where it is now."""
        with self._lock:
            return self._wait(name)

    def ensure_open(self, name: str) -> None:
        """Raise TooManyRequests where one more is not permitted now; nothing is counted."""
        if wait := self.wait(name):
            raise self.refusal(wait)

    def refusal(self, wait: int) -> errors.TooManyRequests:
        return errors.TooManyRequests(self.sentence, retry_after=wait)

    def clear(self) -> None:
        with self._lock:
            self._seen.clear()

    def _wait(self, name: str) -> int:
        times = self._seen.get(name)
        if times is None or len(times) < self.count:
            return 0
        left = WINDOW - (time.monotonic() - times[0])
        return int(left) + 1 if left > 0 else 0

    def _add(self, name: str) -> None:
        self._seen.setdefault(name, deque(maxlen=self.count)).append(time.monotonic())
        self._seen.move_to_end(name)
        while len(self._seen) > MOST_NAMES:
            self._seen.popitem(last=False)


def address_of(request: HttpRequest) -> str:
    """Who calls; behind the proxy that ends TLS, what the proxy put into X-Forwarded-For last."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "") if settings.IS_HTTPS else ""
    return forwarded.rpartition(",")[2].strip() or request.META.get("REMOTE_ADDR", "")


def source_of(request: HttpRequest) -> str:
    """The network that calls: an IPv4 address, or the /64 that one site has of IPv6."""
    address = address_of(request)
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:45]
    return address if found.version == 4 else str(ipaddress.ip_network(f"{found}/64", strict=False))
