"""What no view answers: problem details below the doors of programs, a page or a line of text to people."""

from collections.abc import Iterator
from unittest import mock

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from pytest_django import Settings

from tests import factories, sealing

pytestmark = pytest.mark.django_db
DOORS = ("/api", "/api/nothing/", "/api/transfers/xyz/", "/oauth/nothing", "/wado/nothing")


@pytest.fixture
def failing() -> Iterator[mock.Mock]:
    """A middleware that every request passes, to let it fail as no view would."""
    with mock.patch("exchange.sessions.LongestSession.__call__") as call:
        yield call


@pytest.mark.parametrize("path", DOORS)
def test_an_address_that_names_nothing_is_a_problem(path: str) -> None:
    response = Client().get(path)
    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")
    assert response.json()["detail"] == "There is nothing here that you may see."


def test_it_is_answered_like_what_is_not_the_callers() -> None:
    _, authorization = sealing.caller(factories.make_organization(), "read")
    headers = {"Authorization": authorization}
    strange = Client().get(f"/api/transfers/{factories.make_transfer().pk}/", headers=headers)
    assert Client().get("/api/transfers/xyz/", headers=headers).content == strange.content


def test_people_get_a_page() -> None:
    response = Client().get("/nothing")
    assert (response.status_code, response["Content-Type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/api/transfers/", "application/problem+json"), ("/accounts/login/", "text/plain; charset=utf-8")],
)
def test_a_strange_host_is_told_the_right_one(settings: Settings, path: str, kind: str) -> None:
    settings.ALLOWED_HOSTS, settings.PUBLIC_URL = ["exchange.example.org"], "https://exchange.example.org"
    response = Client().get(path, headers={"Host": "192.0.2.7"})
    assert (response.status_code, response["Content-Type"]) == (400, kind)
    assert b"https://exchange.example.org" in response.content
    assert b"192.0.2.7" not in response.content


@pytest.mark.parametrize(("error", "status"), [(PermissionDenied("secret"), 403), (ValueError("secret"), 500)])
def test_a_failure_outside_of_views_is_a_problem(failing: mock.Mock, error: Exception, status: int) -> None:
    failing.side_effect = error
    client = Client(raise_request_exception=False)
    response = client.get("/api/transfers/")
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    assert b"secret" not in response.content
    assert client.get("/").status_code == status
