"""A POST with an Idempotency-Key happens once, and every repetition gets the first answer."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import ApiKey
from tests.actors import Cast, make_cast
from tests.exchange.api.requests import act, post, said
from transfers.models import IdempotencyKey, Transfer

NEW = {"recipients": ["jane@example.org"], "message": "hello"}


def test_a_repetition_makes_nothing_and_says_the_same(cast: Cast) -> None:
    first = post(cast.alice, "transfers/", NEW, Idempotency_Key="k1")
    again = post(cast.alice, "transfers/", NEW, Idempotency_Key="k1")
    assert Transfer.objects.count() == 1
    assert (again.status_code, again.content) == (201, first.content)
    assert said(again)["pins"][0]["pin"]
    assert again["Location"] == first["Location"]
    assert again["ETag"] == first["ETag"]


def test_the_kept_answer_is_sealed(cast: Cast) -> None:
    pin = said(post(cast.alice, "transfers/", NEW, Idempotency_Key="k1"))["pins"][0]["pin"]
    kept = bytes(IdempotencyKey.objects.get().answer_record or b"")
    assert kept
    assert pin.encode() not in kept
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM transfers_idempotencykey t")
        assert pin not in str(cursor.fetchall())


@pytest.mark.parametrize("other", [{**NEW, "message": "other"}, {}])
def test_another_body_under_the_same_key_is_a_conflict(cast: Cast, other: dict[str, Any]) -> None:
    post(cast.alice, "transfers/", NEW, Idempotency_Key="k1")
    assert post(cast.alice, "transfers/", other, Idempotency_Key="k1").status_code == 409
    assert Transfer.objects.count() == 1


def test_another_path_under_the_same_key_is_a_conflict(cast: Cast) -> None:
    created = said(post(cast.alice, "transfers/", NEW, Idempotency_Key="k1"))
    assert act(cast.alice, created["id"], "withdraw", Idempotency_Key="k1").status_code == 409


def test_keys_of_two_callers_never_meet(cast: Cast) -> None:
    post(cast.alice, "transfers/", NEW, Idempotency_Key="k1")
    assert post(cast.sender_store, "transfers/", {}, Idempotency_Key="k1").status_code == 201


def test_a_failed_request_may_be_mended_under_its_key(cast: Cast) -> None:
    assert post(cast.alice, "transfers/", {"recipients": ["nowhere"]}, Idempotency_Key="k1").status_code == 400
    assert post(cast.alice, "transfers/", NEW, Idempotency_Key="k1").status_code == 201


def test_an_act_that_destroys_the_key_is_answered_again(cast: Cast) -> None:
    created = said(post(cast.alice, "transfers/", NEW))
    first = act(cast.alice, created["id"], "withdraw", Idempotency_Key="k2")
    again = act(cast.alice, created["id"], "withdraw", Idempotency_Key="k2")
    assert first.status_code == again.status_code == 200
    assert first.content == again.content


def test_an_answer_dies_with_its_transfer(cast: Cast) -> None:
    created = said(post(cast.alice, "transfers/", NEW, Idempotency_Key="k1"))
    act(cast.alice, created["id"], "withdraw")
    assert post(cast.alice, "transfers/", NEW, Idempotency_Key="k1").status_code in (409, 410)


def test_a_new_key_is_made_and_shown_once(cast: Cast) -> None:
    body = {"name": "PACS", "scopes": ["store"]}
    count = ApiKey.objects.count()
    first = post(cast.alice, "keys/", body, Idempotency_Key="k1")
    again = post(cast.alice, "keys/", body, Idempotency_Key="k1")
    assert (first.status_code, again.status_code) == (201, 409)
    assert "shown" in said(again)["detail"]
    assert ApiKey.objects.count() == count + 1
    assert IdempotencyKey.objects.get().answer_record is None


def test_an_answer_is_kept_for_a_day(cast: Cast) -> None:
    post(cast.alice, "transfers/", NEW, Idempotency_Key="k1")
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert post(cast.alice, "transfers/", {}, Idempotency_Key="k1").status_code == 201


def test_an_endless_key_is_refused(cast: Cast) -> None:
    assert post(cast.alice, "transfers/", NEW, Idempotency_Key="k" * 201).status_code == 400


@pytest.mark.django_db(transaction=True)
def test_parallel_repetitions_act_once() -> None:
    cast = make_cast()

    def ask(_: int) -> bytes:
        try:
            return post(cast.sender_store, "transfers/", NEW, Idempotency_Key="k1").content
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(ask, range(8)))
    assert Transfer.objects.count() == 1
    assert len(answers) == 1
