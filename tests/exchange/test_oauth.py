"""POST /oauth/token: client credentials (RFC 6749 Sections 2.3.1, 4.4 and 5)."""

import base64
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AccessToken, ApiKey
from tests.actors import Actor, Cast, make_cast
from tests.exchange.api.requests import said

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


def id_of(actor: Actor) -> str:
    return actor.key.split("_")[1]


def by_post(actor: Actor, **fields: str) -> "Response":
    form = {**GRANT, "client_id": id_of(actor), "client_secret": actor.key, **fields}
    return ask(form)


def by_basic(ident: str, secret: str) -> "Response":
    value = base64.b64encode(f"{ident}:{secret}".encode()).decode()
    return ask(GRANT, Authorization=f"Basic {value}")


def ask(form: dict[str, str], **headers: str) -> "Response":
    body = "&".join(f"{name}={value}" for name, value in form.items())
    return Client().post("/oauth/token", body, content_type="application/x-www-form-urlencoded", headers=headers)


def test_a_token_opens_what_its_key_opens(cast: Cast) -> None:
    answer = said(by_post(cast.sender_read))
    assert (answer["token_type"], answer["scope"]) == ("Bearer", "read")
    assert 0 < answer["expires_in"] <= 600
    client = Client(headers={"Authorization": f"Bearer {answer['access_token']}"})
    assert client.get("/api/transfers/").status_code == 200
    assert client.post("/api/transfers/", {}, content_type="application/json").status_code == 403


def test_the_secret_may_come_by_basic(cast: Cast) -> None:
    assert by_basic(id_of(cast.sender_read), cast.sender_read.key).status_code == 200


def test_a_token_is_not_cached(cast: Cast) -> None:
    assert by_post(cast.sender_read)["Cache-Control"] == "no-store"


def test_a_token_dies_with_its_key(cast: Cast) -> None:
    token = said(by_post(cast.sender_read))["access_token"]
    ApiKey.objects.filter(public_id=id_of(cast.sender_read)).update(revoked_at=timezone.now())
    assert Client(headers={"Authorization": f"Bearer {token}"}).get("/api/transfers/").status_code == 401


def test_a_token_ends(cast: Cast) -> None:
    token = said(by_post(cast.sender_read))["access_token"]
    AccessToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert Client(headers={"Authorization": f"Bearer {token}"}).get("/api/transfers/").status_code == 401


def test_a_token_does_not_renew_itself(cast: Cast) -> None:
    token = said(by_post(cast.sender_read))["access_token"]
    assert said(by_post(cast.sender_read, client_secret=token))["error"] == "invalid_client"


@pytest.mark.parametrize("secret", ["", "wsk_0_0", "x"])
def test_a_wrong_secret_is_challenged(cast: Cast, secret: str) -> None:
    response = by_post(cast.sender_read, client_secret=secret)
    assert (response.status_code, said(response)["error"]) == (401, "invalid_client")
    assert response["WWW-Authenticate"].startswith("Basic")


def test_the_id_must_be_that_of_the_secret(cast: Cast) -> None:
    assert by_basic(id_of(cast.sender_store), cast.sender_read.key).status_code == 401


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "unsupported_grant_type"),
        ({"scope": "read+manage"}, "invalid_scope"),
    ],
)
def test_what_is_not_offered_is_said_so(cast: Cast, fields: dict[str, str], error: str) -> None:
    response = by_post(cast.sender_read, **fields)
    assert (response.status_code, said(response)["error"]) == (400, error)


def test_the_secret_comes_once(cast: Cast) -> None:
    value = base64.b64encode(f"{id_of(cast.sender_read)}:{cast.sender_read.key}".encode()).decode()
    response = ask({**GRANT, "client_secret": cast.sender_read.key}, Authorization=f"Basic {value}")
    assert said(response)["error"] == "invalid_request"


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x"])
def test_only_a_form_is_read(db: None, content_type: str) -> None:
    response = Client().post("/oauth/token", b"{}", content_type=content_type)
    assert (response.status_code, said(response)["error"]) == (400, "invalid_request")


def test_only_a_post_is_answered(db: None) -> None:
    assert Client().get("/oauth/token").status_code == 405
