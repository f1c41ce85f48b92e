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
    response = sign_in(client, bob.email)
    assert (response.status_code, response["Retry-After"]) == (429, "900")
    assert "Too many wrong passwords. Try again in 15 minutes" in text_of(response)
    assert not is_signed_in(client)


def test_a_new_password_by_mail_ends_the_waiting(bob: User) -> None:
    for _ in range(6):
        sign_in(Client(), bob.email, "wrong")
    set_new_password(bob, "another good horse")
    assert sign_in(Client(), bob.email, "another good horse").status_code == 302


def test_a_wrong_password_is_no_reason_to_wait(bob: User) -> None:
    response = sign_in(Client(), bob.email, "wrong")
    assert response.status_code == 200
    assert not response.has_header("Retry-After")


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


def set_new_password(user: User, password: str) -> str:
    """By the link in the mail, which is returned."""
    client = Client()
    client.post("/accounts/password/reset/", {"email": user.email})
    letter = mail.outbox[-1]
    path = "/accounts/password/reset/key/" + letter.body.partition("/accounts/password/reset/key/")[2].split()[0]
    form = client.get(path, follow=True).request["PATH_INFO"]
    client.post(form, {"password1": password, "password2": password})
    return path


def test_a_forgotten_password_is_made_new_by_mail(bob: User) -> None:
    set_new_password(bob, "another good horse")
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


# Our words


def test_the_mail_for_a_new_password_is_in_our_words(bob: User) -> None:
    Client().post("/accounts/password/reset/", {"email": bob.email})
    (letter,) = mail.outbox
    assert letter.subject == "A new password for Waystation"
    assert "for 72 hours" in letter.body
    assert not [word for word in ("Hello from", "Thank you for using", "reset your password") if word in letter.body]


def test_a_link_for_a_new_password_that_is_over_says_so(bob: User) -> None:
    path = set_new_password(bob, "another good horse")
    text = text_of(Client().get(path, follow=True))
    assert "This link is over" in text
    assert "Have a new one sent" in text


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("login/", "Sign in"),
        ("password/reset/", "Password forgotten?"),
        ("password/reset/done/", "Look into your mail"),
        ("password/reset/key/done/", "Your password is new"),
        ("inactive/", "Account closed"),
    ],
)
def test_pages_before_signing_in_are_ours(bob: User, path: str, title: str) -> None:
    page = Client().get(f"/accounts/{path}").content.decode()
    assert f"<h1>{title}</h1>" in page
    assert "portal.css" in page


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("password/change/", "Change your password"),
        ("logout/", "Sign out"),
        ("reauthenticate/", "Your password once more"),
    ],
)
def test_pages_of_a_signed_in_person_keep_the_way_back(bob: User, path: str, title: str) -> None:
    client = Client()
    sign_in(client, bob.email)
    page = client.get(f"/accounts/{path}", follow=True).content.decode()
    assert f"<h1>{title}</h1>" in page
    assert 'href="/sent/"' in page


def test_a_password_that_is_too_short_is_refused_at_its_field(bob: User) -> None:
    client = Client()
    sign_in(client, bob.email)
    form = {"oldpassword": PASSWORD, "password1": "short", "password2": "short"}
    text = text_of(client.post("/accounts/password/change/", form))
    assert "at least 12 characters" in text
    assert sign_in(Client(), bob.email).status_code == 302


def test_a_password_is_changed(bob: User) -> None:
    client = Client()
    sign_in(client, bob.email)
    form = {"oldpassword": PASSWORD, "password1": "another good horse", "password2": "another good horse"}
    response: Answer = client.post("/accounts/password/change/", form, follow=True)
    assert "Your password is changed." in text_of(response)
    assert sign_in(Client(), bob.email, "another good horse").status_code == 302


def test_asking_too_often_is_answered_in_our_words(bob: User) -> None:
    for _ in range(6):
        response = Client().post("/accounts/password/reset/", {"email": bob.email})
    assert response.status_code == 429
    assert "Too often" in text_of(response)
