"""While maintenance is on, every door says so and nothing else."""

from unittest import mock

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client


@pytest.mark.django_db
def test_doors_close_with_a_note_and_open_again() -> None:
    call_command("maintenance", "on", "Back at 14:00.")
    closed = Client().get("/dicomweb/studies")
    assert (closed.status_code, closed.headers["Retry-After"]) == (503, "60")
    assert closed.headers["Content-Type"] == "application/problem+json"
    assert closed.json()["detail"] == "The exchange is closed for maintenance. Back at 14:00."
    page = Client().get("/")
    assert (page.status_code, page.headers["Retry-After"]) == (503, "60")
    assert page.content == b"The exchange is closed for maintenance. Back at 14:00.\n"
    call_command("maintenance", "off")
    assert Client().get("/dicomweb/studies").status_code != 503


@pytest.mark.django_db
def test_a_supervisor_still_sees_that_it_lives() -> None:
    call_command("maintenance", "on")
    assert Client().get("/healthz").status_code == 200


def test_without_its_database_the_exchange_is_closed() -> None:
    with mock.patch("exchange.maintenance.Switch.objects.filter", side_effect=OperationalError):
        assert Client().get("/dicomweb/studies").status_code == 503
