"""Liveness and readiness, as a load balancer asks for them."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from exchange import health
from transfers import errors
from transfers.models import Job


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    health._remembered.clear()
    yield
    health._remembered.clear()


def fail() -> None:
    raise errors.StorageUnavailable


def test_healthz_needs_nothing(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


def test_only_reading_is_allowed(client: Client) -> None:
    assert client.post("/healthz").status_code == 405


@pytest.mark.django_db
def test_readyz_names_every_part(client: Client) -> None:
    assert client.get("/readyz").json() == {
        "database": "ok",
        "storage": "ok",
        "keys": "ok",
        "maintenance": "off",
        "job_lag_seconds": 0,
    }


@pytest.mark.django_db
def test_in_maintenance_readyz_still_tells_what_works(client: Client, settings: Settings) -> None:
    call_command("maintenance", "on")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["maintenance"]) == (200, "on")
    health._remembered.clear()
    settings.STORAGE_PROBE = f"{__name__}.fail"
    assert client.get("/readyz").status_code == 503


@pytest.mark.django_db
def test_failing_part_makes_unready(client: Client, settings: Settings) -> None:
    settings.STORAGE_PROBE = f"{__name__}.fail"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["storage"] == "failing"


@pytest.mark.django_db
def test_storage_is_asked_at_most_every_few_seconds(client: Client, settings: Settings) -> None:
    assert client.get("/readyz").status_code == 200
    settings.STORAGE_PROBE = f"{__name__}.fail"
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_late_jobs_are_told(client: Client) -> None:
    now = timezone.now()
    Job.objects.create(event="sent", due_at=now - timedelta(seconds=90), created_at=now)
    assert 90 <= client.get("/readyz").json()["job_lag_seconds"] < 120
