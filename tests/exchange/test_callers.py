"""Wrong keys, tokens and client secrets: counted, told to wait, and never at the cost of a right one."""

import time

import pytest
from django.test import Client

from exchange import callers, limits
from tests.actors import Cast, make_cast
from tests.exchange.portal.linking import Answer

pytestmark = pytest.mark.django_db

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.1"
TOKEN_FORM = "grant_type=client_credentials&client_id={}&client_secret={}"
DOORS = ["/api/transfers/", "/dicomweb/studies"]


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def wrong(key: str) -> str:
    """The same key with another secret."""
    return key.rpartition("_")[0] + "_" + "0" * 64


def ask(secret: str, *, source: str = HERE, path: str = DOORS[0]) -> Answer:
    return Client(REMOTE_ADDR=source).get(path, headers={"Authorization": f"Bearer {secret}"})


def ask_for_token(key: str, *, client_id: str = "", source: str = HERE) -> Answer:
    form = TOKEN_FORM.format(client_id or key.split("_")[1], key)
    return Client(REMOTE_ADDR=source).post("/oauth/token", form, content_type="application/x-www-form-urlencoded")


def guess(key: str, times: int, *, source: str = HERE, path: str = DOORS[0]) -> list[int]:
    return [ask(wrong(key), source=source, path=path).status_code for _ in range(times)]


@pytest.mark.parametrize("path", DOORS)
def test_guesses_at_one_key_are_stopped(cast: Cast, path: str) -> None:
    key = cast.recipient_read.key
    assert guess(key, 11, path=path) == [401] * 10 + [429]
    refused = ask(wrong(key), path=path)
    assert 0 < int(refused["Retry-After"]) <= 61
    assert "wait a minute" in refused.json()["detail"]


def test_the_right_key_is_let_in_from_elsewhere(cast: Cast) -> None:
    key = cast.recipient_read.key
    guess(key, 20)
    assert ask(key).status_code == 429
    assert ask(key, source=ELSEWHERE).status_code == 200


def test_other_keys_of_the_same_hospital_are_let_in(cast: Cast) -> None:
    """One device with an old key must not shut out all others behind the same address."""
    for _ in range(callers.BY_SOURCE.count + 5):
        ask("nonsense")
    assert ask("nonsense").status_code == 429
    assert ask(cast.recipient_read.key).status_code == 200


def test_a_minute_later_it_is_open_again(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    key = cast.recipient_read.key
    guess(key, 20)
    later = time.monotonic() + limits.WINDOW + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert ask(key).status_code == 200


def test_guesses_from_all_over_the_world_get_one_each(cast: Cast) -> None:
    key = cast.recipient_read.key
    for number in range(100):
        guess(key, 1, source=f"203.0.113.{number}")
    assert guess(key, 2, source="203.0.113.200") == [401, 429]
    assert ask(key, source=ELSEWHERE).status_code == 200


@pytest.mark.parametrize("secret", ["", "nonsense", "wst_" + "0" * 64, "wsk_", "wsk__"])
def test_what_names_no_key_counts_for_its_source(cast: Cast, secret: str) -> None:
    answers = [ask(secret).status_code for _ in range(callers.BY_SOURCE.count + 1)]
    assert answers[-2:] == [401, 429]


def test_another_scheme_counts_too(cast: Cast) -> None:
    client = Client(REMOTE_ADDR=HERE, headers={"Authorization": "Basic eA=="})
    assert [client.get(DOORS[0]).status_code for _ in range(callers.BY_SOURCE.count + 1)][-1] == 429


def test_who_sends_no_credential_is_never_counted(cast: Cast) -> None:
    assert {Client(REMOTE_ADDR=HERE).get(DOORS[0]).status_code for _ in range(callers.BY_SOURCE.count + 5)} == {401}


def test_a_token_is_not_asked_for_without_end(cast: Cast) -> None:
    key = cast.recipient_read.key
    answers = [ask_for_token(wrong(key)) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert int(answers[-1]["Retry-After"]) > 0
    assert answers[-1].json()["error"] == "invalid_client"
    assert ask_for_token(key, source=ELSEWHERE).status_code == 200


def test_a_right_secret_under_another_id_is_a_guess(cast: Cast) -> None:
    key, other = cast.recipient_read.key, cast.sender_read.key.split("_")[1]
    assert ask_for_token(key, client_id=other).status_code == 401
    assert callers.BY_KEY._seen.keys() == {other}


def test_both_doors_count_together(cast: Cast) -> None:
    key = cast.recipient_read.key
    guess(key, 5)
    guess(key, 5, path=DOORS[1])
    assert ask_for_token(wrong(key)).status_code == 429
