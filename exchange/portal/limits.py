"""So many look-ups of links a minute from one address: guessing is slowed down long before it could pay.

Counted in each process by itself and in bounded memory; the second factor has a cap in the database as well.
"""

import threading
import time
from collections import OrderedDict, deque
from typing import Final

from django.conf import settings
from django.http import HttpRequest

from transfers import errors

WINDOW: Final = 60.0  # seconds
MOST_ADDRESSES: Final = 10_000


class Limit:
    """At most `count` events a window for each address; the address seen longest ago is forgotten first."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, address: str) -> None:
        """Count one event; raises TooManyRequests where it is one too many."""
        now = time.monotonic()
        with self._lock:
            times = self._seen.setdefault(address, deque(maxlen=self.count))
            self._seen.move_to_end(address)
            while len(self._seen) > MOST_ADDRESSES:
                self._seen.popitem(last=False)
            if len(times) == self.count and now - times[0] < WINDOW:
                raise errors.TooManyRequests(
                    "Too many links were opened from your network. Wait a minute and try again.",
                    retry_after=int(WINDOW - (now - times[0])) + 1,
                )
            times.append(now)

    def clear(self) -> None:
        with self._lock:
            self._seen.clear()


LOOKUPS: Final = Limit(settings.EXCHANGE_LINK_RATE)


def address_of(request: HttpRequest) -> str:
    """Who calls; behind the proxy that ends TLS, what the proxy put into X-Forwarded-For last."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "") if settings.IS_HTTPS else ""
    return forwarded.rpartition(",")[2].strip() or request.META.get("REMOTE_ADDR", "")
