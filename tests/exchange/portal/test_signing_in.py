"""Signing in and out by e-mail and password; there is no way to sign up."""

import pytest
from django.contrib.auth import get_user
from django.contrib.auth.hashers import identify_hasher
from django.core import mail
from django.core.cache import cache
from django.http import HttpRequest
from django.test import Client
from django.urls import NoReverseMatch, reverse
from pytest_django import Settings

from accounts.models import User
from exchange import limits
from exchange import settings as product
from tests.actors import Cast
from tests.exchange.portal.linking import Answer, text_of

PASSWORD = "correct horse battery"


@pytest.fixture
def bob(cast: Cast) -> User:
    assert cast.bob.user is not None
    cast.bob.user.set_password(PASSWORD)
    cast.bob.user.save()
    cache.clear()
    return cast.bob.user


def sign_in(client: Client, email: str, password: str = PASSWORD, then: str = "") -> Answer:
    return client.post(f"/accounts/login/{then}", {"login": email, "password": password})


def is_signed_in(client: Client) -> bool:
    request = HttpRequest()
    request.session = client.session
    return get_user(request).is_authenticated


@pytest.mark.parametrize("change", [str, str.upper])
def test_email_and_password_open_the_inbox(bob: User, change: type[str]) -> None:
    client = Client()
    response = sign_in(client, change(bob.email))
    assert (response.status_code, response["Location"]) == (302, "/")
    assert is_signed_in(client)


def test_it_leads_to_where_one_wanted_to_go_and_never_elsewhere(bob: User) -> None:
    assert sign_in(Client(), bob.email, then="?next=/sent/")["Location"] == "/sent/"
    assert sign_in(Client(), bob.email, then="?next=https://evil.example/")["Location"] == "/"


@pytest.mark.parametrize("email", ["bob@general-hospital.example", "nobody@general-hospital.example"])
def test_a_wrong_password_and_an_unknown_address_are_told_alike(bob: User, email: str) -> None:
    client = Client()
    text = text_of(sign_in(client, email, "wrong"))
    assert "not correct" in text
    assert not is_signed_in(client)


def test_guessing_is_stopped_for_the_right_password_too(bob: User) -> None:
    for _ in range(5):
        sign_in(Client(), bob.email, "wrong")
    client = Client()
    assert "Too many failed login attempts" in text_of(sign_in(client, bob.email))
    assert not is_signed_in(client)


def test_a_closed_account_opens_nothing(bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)
    client = Client()
    sign_in(client, bob.email)
    assert not is_signed_in(client)


def test_signing_out_needs_a_post(bob: User) -> None:
    client = Client()
    sign_in(client, bob.email)
    assert client.get("/accounts/logout/").status_code == 200
    assert is_signed_in(client)
    client.post("/accounts/logout/")
    assert not is_signed_in(client)


def test_a_session_ends_after_a_quarter_of_an_hour(bob: User) -> None:
    client = Client()
    sign_in(client, bob.email)
    assert client.session.get_expiry_age() <= 15 * 60
    assert not client.cookies["sessionid"]["max-age"]
    assert client.cookies["sessionid"]["httponly"]


def test_nobody_signs_up(db: None) -> None:
    with pytest.raises(NoReverseMatch):
        reverse("account_signup")
    assert Client().get("/accounts/signup/").status_code == 404


def test_a_forgotten_password_is_made_new_by_mail(bob: User) -> None:
    client = Client()
    client.post("/accounts/password/reset/", {"email": bob.email})
    (letter,) = mail.outbox
    path = "/accounts/password/reset/key/" + letter.body.partition("/accounts/password/reset/key/")[2].split()[0]
    form = client.get(path, follow=True).request["PATH_INFO"]
    client.post(form, {"password1": "another good horse", "password2": "another good horse"})
    assert sign_in(Client(), bob.email, "another good horse").status_code == 302


def test_asking_for_an_unknown_address_tells_nothing(bob: User) -> None:
    known = Client().post("/accounts/password/reset/", {"email": bob.email})
    unknown = Client().post("/accounts/password/reset/", {"email": "nobody@nowhere.example"})
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])


def test_passwords_are_kept_by_argon2(bob: User, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = product.PASSWORD_HASHERS
    bob.set_password(PASSWORD)
    assert identify_hasher(bob.password).algorithm == "argon2"


def test_the_proxy_says_who_calls_only_where_there_is_one(settings: Settings) -> None:
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9, 198.51.100.7"}
    settings.IS_HTTPS = False
    assert limits.address_of(request) == "10.0.0.1"
    settings.IS_HTTPS = True
    assert limits.address_of(request) == "198.51.100.7"
