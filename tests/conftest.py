"""A real PostgreSQL and a real broker for the whole session, whoever runs it and wherever.

Both come from wheels and live in the temporary folder of tests/settings.py. DATABASE_URL or
CELERY_BROKER_URL in the environment take their place.
"""

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from django.conf import settings

from exchange import callers, embedded

DATA = Path(os.environ["EXCHANGE_TEST_DATA"])
LONG = ("tests/faults/", "tests/contract/", "tests/canaries/", "tests/exchange/test_demo", "tests/exchange/test_superv")
ALIVE = pytest.StashKey[IO[str]]()
# The kernel frees the session's lock even when the session was killed.
CLEANER = """
import fcntl, os, pathlib, shutil, signal, sys, time
data = pathlib.Path(sys.argv[1])
fcntl.flock((data / "session").open(), fcntl.LOCK_SH)
for pid in [int(file.read_text()) for file in data.glob("*.pid")]:
    try:
        os.killpg(pid, signal.SIGQUIT)
        for _ in range(100):
            time.sleep(0.05)
            os.killpg(pid, 0)
    except ProcessLookupError:
        pass
shutil.rmtree(data, ignore_errors=True)
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts whole trees of processes goes first: a long file that begins last keeps one core waiting."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.fixture(autouse=True)
def fresh_callers() -> None:
    """All tests call from one address, and many with wrong credentials."""
    callers.clear()


@pytest.fixture(scope="session")
def django_db_setup(database_server: str, django_db_setup: None) -> None:
    """The test database of pytest-django, once there is a server to hold it."""


@pytest.fixture(scope="session")
def database_server() -> str:
    """The address of a PostgreSQL in which a test may do what it likes."""
    if not settings.IS_DATABASE_EMBEDDED:
        return os.environ["DATABASE_URL"]
    postgres = embedded.Postgres(DATA, durable=False)
    _start_once("postgres", postgres)
    return postgres.url


@pytest.fixture(scope="session")
def broker() -> str:
    """The address of a running broker, the one of settings.CELERY_BROKER_URL."""
    if settings.IS_BROKER_EMBEDDED:
        _start_once("valkey", embedded.Valkey(DATA))
    return str(settings.CELERY_BROKER_URL)


def pytest_configure(config: pytest.Config) -> None:
    """Have the servers stopped and the folder removed when this session ends, however it ends."""
    if not hasattr(config, "workerinput"):
        config.stash[ALIVE] = alive = (DATA / "session").open("w")
        fcntl.flock(alive, fcntl.LOCK_EX)
        subprocess.Popen([sys.executable, "-I", "-S", "-c", CLEANER, str(DATA)], start_new_session=True)


def _start_once(name: str, service: embedded.Postgres | embedded.Valkey) -> None:
    """Start a server unless another xdist worker has; it outlives the worker and ends with the session."""
    with _only_one(name):
        if not (DATA / f"{name}.pid").exists():
            service.prepare()
            with (DATA / f"{name}.log").open("ab") as log:
                server = subprocess.Popen(
                    service.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
            (DATA / f"{name}.pid").write_text(str(server.pid))
        service.wait_ready()


@contextlib.contextmanager
def _only_one(name: str) -> Iterator[None]:
    with (DATA / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
