"""Wait for what another thread or process is about to do, never for longer than it may take."""

import threading
import time
from collections.abc import Callable

import pytest


def until(is_so: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Return as soon as it is so; fail when the time is over."""
    end, never = time.monotonic() + seconds, threading.Event()
    while not is_so():
        if time.monotonic() > end:
            pytest.fail("it never came about")
        never.wait(0.02)
