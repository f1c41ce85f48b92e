"""`check --deploy` passes a production's settings and fails the demo's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import override_settings

from exchange import checks

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "SECRET_KEY": "k" * 25 + "0123456789-abcdefghijklmnopqrstuvwxyz",
    "PUBLIC_URL": "https://exchange.example.org",
    "DATABASE_URL": "postgres://exchange:secret@db.example.org/exchange",
    "CELERY_BROKER_URL": "amqp://exchange:secret@mq.example.org//",
    "EXCHANGE_KEYS": "file:///var/lib/waystation-keys",
    "EXCHANGE_DATA_DIR": "/var/lib/waystation",
}


def check(**environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "manage.py"), "check", "--deploy", "--fail-level", "WARNING"]
    settings = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "exchange.settings"}
    return subprocess.run(command, env=settings | environment, capture_output=True, text=True, check=False)


def test_production_is_clean() -> None:
    done = check(**PRODUCTION)
    assert (done.returncode, done.stderr) == (0, "")


def test_demo_defaults_fail(tmp_path: Path) -> None:
    done = check(EXCHANGE_DATA_DIR=str(tmp_path))  # `make demo` leaves a secret key of its own in the usual one
    assert done.returncode == 1
    for number in ("E001", "E002", "E003", "E004", "W005"):
        assert f"exchange.{number}" in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("PUBLIC_URL", "http://exchange.example.org", "E002"),
        ("EXCHANGE_KEYS", "file:///var/lib/waystation/keys", "E003"),
        ("EXCHANGE_KEYS", "file:///var/lib/waystation/packs/../keys", "E003"),
        ("CELERY_BROKER_URL", "", "W005"),
        ("EXCHANGE_MIN_LIFETIME", "2", "W006"),
    ],
)
def test_one_mistake_is_named(name: str, value: str, number: str) -> None:
    assert f"exchange.{number}" in check(**PRODUCTION | {name: value}).stderr


@pytest.mark.django_db
def test_database_that_forgets_is_named() -> None:
    found = [message.id for message in checks.check_database(None, databases=["default"])]
    assert found == ["exchange.E009"] * 3  # the test database runs without fsync, as conftest starts it


def test_health_is_open_over_plain_http_behind_tls() -> None:
    with override_settings(SECURE_SSL_REDIRECT=True):
        from django.test import Client

        assert Client().get("/healthz").status_code == 200
        assert Client().get("/api/").status_code == 301
