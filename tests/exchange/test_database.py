"""How long a request waits for the database, and how long anything else does."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from exchange import embedded
from exchange.settings import DATABASES

ROOT = Path(__file__).resolve().parents[2]
ASK = "from django.db import connection as c; k = c.cursor(); k.execute({!r}); print(k.fetchone()[0])"


Ask = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ask(database_server: str, transactional_db: None) -> Ask:
    """Put a question to the tests' database as a process with these settings would."""
    place = database_server.replace(f"/{embedded.DATABASE}?", f"/{connection.settings_dict['NAME']}?")
    surroundings = {**os.environ, "DATABASE_URL": place, "DJANGO_SETTINGS_MODULE": "tests.settings"}

    def asked(statement: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "manage.py"), "shell", "--no-imports", "-c", ASK.format(statement)]
        return subprocess.run(command, env=surroundings | environment, capture_output=True, text=True, check=False)

    return asked


def test_statement_of_a_request_ends_in_time(ask: Ask) -> None:
    cut = ask("SELECT pg_sleep(60)", DATABASE_POOL_SIZE="2", DATABASE_STATEMENT_SECONDS="1")
    assert "OperationalError: canceling statement due to statement timeout" in cut.stderr


@pytest.mark.parametrize(
    ("environment", "limit"),
    [
        ({"DATABASE_POOL_SIZE": "2"}, "15s"),
        ({"DATABASE_POOL_SIZE": "2", "DATABASE_STATEMENT_SECONDS": "0"}, "0"),
        ({"DATABASE_STATEMENT_SECONDS": "1"}, "0"),  # a worker, the relay, a command: as long as it takes
    ],
)
def test_only_requests_are_in_a_hurry(ask: Ask, environment: dict[str, str], limit: str) -> None:
    assert ask("SHOW statement_timeout", **environment).stdout.strip() == limit


def test_host_that_vanishes_is_noticed() -> None:
    options = DATABASES["default"]["OPTIONS"]
    assert options["connect_timeout"] <= 10 and options["tcp_user_timeout"] <= 60_000
    assert options["keepalives_idle"] + options["keepalives_interval"] * options["keepalives_count"] <= 60
