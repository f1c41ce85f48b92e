"""A command that cannot begin says so in one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.db import OperationalError
from pytest_django import Settings

from exchange import terminal

ROOT = Path(__file__).resolve().parents[2]


def manage(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    env = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *words],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_wrong_settings_are_one_sentence(tmp_path: Path) -> None:
    refused = manage("up", EXCHANGE_PORT="abc", EXCHANGE_DATA_DIR=str(tmp_path / "data"))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "The settings are wrong: EXCHANGE_PORT must be a whole number.\n"
    assert not (tmp_path / "data").exists()


def test_without_its_database_a_command_says_how_to_start_it(tmp_path: Path) -> None:
    refused = manage("fsck", EXCHANGE_DATA_DIR=str(tmp_path / "data"))
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        f"The exchange is not running on {tmp_path / 'data'}: start it with `make run`, or set DATABASE_URL."
    ]


def test_another_database_is_named_without_its_password() -> None:
    refused = manage("fsck", DATABASE_URL="postgres://exchange:s3cret@127.0.0.1:1/exchange")
    assert refused.returncode == 1
    assert "look at DATABASE_URL" in refused.stderr
    assert "s3cret" not in refused.stderr and "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("cause", "is_told"),
    [
        (psycopg.OperationalError("the connection is lost"), True),
        (psycopg.errors.CannotConnectNow("the database system is starting up"), True),
        (psycopg.errors.InvalidPassword("password authentication failed"), True),
        (psycopg.errors.DiskFull("could not extend file"), False),
        (psycopg.errors.DeadlockDetected("deadlock detected"), False),
        (None, False),
    ],
)
def test_only_a_missing_connection_is_told_so(settings: Settings, cause: Exception | None, is_told: bool) -> None:
    settings.IS_DATABASE_EMBEDDED = False
    error = OperationalError("no")
    error.__cause__ = cause
    assert (terminal.no_database(error) is not None) == is_told
