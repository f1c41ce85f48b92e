"""While maintenance is on, every door says so and nothing else."""

import io
import re
from unittest import mock

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client


@pytest.mark.django_db
def test_doors_close_with_a_note_and_open_again() -> None:
    call_command("maintenance", "on", "Back at 14:00 UTC.")
    closed = Client().get("/dicomweb/studies")
    assert (closed.status_code, closed.headers["Retry-After"]) == (503, "60")
    assert closed.headers["Content-Type"] == "application/problem+json"
    assert closed.json()["detail"] == "The exchange is closed for maintenance. Back at 14:00 UTC."
    page = Client().get("/")
    assert (page.status_code, page.headers["Retry-After"]) == (503, "60")
    assert (page.headers["Content-Type"], page.headers["Cache-Control"]) == ("text/html; charset=utf-8", "no-store")
    text = page.content.decode()
    assert "Waystation is closed for maintenance" in text and "Back at 14:00 UTC." in text
    assert "portal.css" in text and re.search(r"made at \d\d:\d\d UTC", text)
    call_command("maintenance", "off")
    assert Client().get("/dicomweb/studies").status_code != 503


@pytest.mark.django_db
def test_a_supervisor_still_sees_that_it_lives() -> None:
    call_command("maintenance", "on")
    assert Client().get("/healthz").status_code == 200


def test_without_its_database_the_exchange_is_closed() -> None:
    with mock.patch("exchange.maintenance.statements.look", side_effect=OperationalError):
        assert Client().get("/dicomweb/studies").status_code == 503


def test_the_page_needs_no_database() -> None:
    """This test may not use one: pytest-django refuses every query."""
    with mock.patch("exchange.maintenance.statements.look", side_effect=OperationalError):
        page = Client(headers={"cookie": "sessionid=of-somebody"}).get("/transfers/")
    assert page.status_code == 503
    assert "It opens again soon." in page.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("note", "is_clear"),
    [
        ("Back at 14:00.", False),
        ("Back at 14:00 UTC.", True),
        ("Back at 14:00Z.", True),
        ("Back at 14:00 Europe/Berlin", True),
        ("Back at 14:00+01:00", True),
        ("Back at 9:30 or later", False),
        ("Back in ten minutes.", True),
    ],
)
def test_a_time_without_its_zone_is_told_to_the_operator(note: str, is_clear: bool) -> None:
    told = io.StringIO()
    call_command("maintenance", "on", note, stderr=told)
    assert ("without its zone" in told.getvalue()) is not is_clear
    assert Client().get("/").status_code == 503
