"""A session ends after a shift, however busy it is."""

import time

import pytest
from django.conf import settings
from django.test import Client

from tests.actors import Cast, make_cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return make_cast()


@pytest.mark.parametrize("path", ["/", "/api/transfers/", "/dicomweb/studies"])
def test_it_ends_after_a_shift_though_it_was_used(cast: Cast, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client, now = cast.bob.client, time.time()
    assert client.get(path).status_code in (200, 204)
    longest = settings.EXCHANGE_SESSION_LONGEST_SECONDS
    monkeypatch.setattr(time, "time", lambda: now + longest - 60)
    assert client.get(path).status_code in (200, 204)
    monkeypatch.setattr(time, "time", lambda: now + longest + 60)
    assert client.get(path).status_code in (302, 401)
    monkeypatch.setattr(time, "time", lambda: now)
    assert client.get(path).status_code in (302, 401)  # it is gone, not just refused


def test_one_who_signs_in_anew_has_all_of_it(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    client, now = cast.bob.client, time.time()
    client.get("/")
    monkeypatch.setattr(time, "time", lambda: now + settings.EXCHANGE_SESSION_LONGEST_SECONDS + 60)
    client.get("/")
    assert cast.bob.user is not None
    client.force_login(cast.bob.user)
    assert client.get("/").status_code == 200


def test_a_visitor_without_a_session_gets_none() -> None:
    client = Client()
    client.get("/accounts/login/")
    assert settings.SESSION_COOKIE_NAME not in client.cookies
