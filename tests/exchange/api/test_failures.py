"""What the API refuses it refuses in words that say what to send, as problem details."""

from uuid import uuid4

import pytest

from tests import factories
from tests.actors import Cast
from tests.exchange.api.requests import get, post, said
from transfers.rules.lifecycle import State


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("transfers/", ["x"], 'Send a JSON object: names with their values in braces, such as {"name": "value"}.'),
        ("transfers/", {"recipients": "x"}, 'Give a list: values in square brackets, such as ["one", "two"].'),
        ("transfers/", {"recipients": None}, "Leave the field out, or give it a value other than null."),
        ("transfers/", {"recipients": [None]}, "Give an address such as general-hospital"),
        ("transfers/", {"recipients": ["x"] * 51}, "Give at most 50 in one request."),
        ("transfers/", {"urgency": "SECRET"}, "Give one of these: routine, urgent."),
        ("transfers/", {"urgency": ""}, "Give one of these: routine, urgent."),
        ("transfers/", {"message": {}}, "Give text, in quotes."),
        ("transfers/", {"message": "SECRET\0"}, "Leave out the NUL character"),
        ("transfers/", {"message": "SECRET\ud800"}, "Leave out the half of a surrogate pair"),
        ("transfers/", {"message": "x" * 4001}, "Give at most 4000 characters."),
        ("transfers/", {"until": "SECRET"}, "Give date, time and zone, such as 2026-03-01T12:00:00Z."),
        ("transfers/", {"grace_days": "SECRET"}, "Give a whole number, without quotes."),
        ("transfers/", {"grace_days": 181}, "Give at most 180."),
        ("transfers/", {"grace_days": -1}, "Give at least 0."),
        ("transfers/", {"follows": "SECRET"}, "Give the id of a transfer"),
        ("transfers/", {"declared_sop_instance_uids": []}, "Give at least 1."),
        ("disclosures/search/", {}, "This field is missing: give it."),
        ("disclosures/search/", {"patient_id": ""}, "Give some text: this field may not be empty."),
        ("disclosures/search/", {"patient_id": "1", "email": "SECRET"}, "Give an e-mail address"),
        ("keys/", {"name": "x", "scopes": "store"}, 'Give a list: values in square brackets, such as ["one", "two"].'),
        ("keys/", {"name": "x", "scopes": ["fly"]}, "Give one of these: store, read, manage."),
        ("keys/", {"name": "x", "scopes": []}, "Give at least one of these: store, read, manage."),
    ],
)
def test_a_wrong_value_is_told_what_would_be_right(cast: Cast, path: str, body: object, sentence: str) -> None:
    response = post(cast.alice, path, body)
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    assert sentence in said(response)["detail"]
    assert any(sentence in one["detail"] for one in said(response)["errors"])
    assert "SECRET" not in response.content.decode()


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("direction=SECRET", "Give one of these: sent, received."),
        ("limit=SECRET", "Give a whole number"),
        ("limit=201", "Give at most 200."),
        ("since=SECRET", "Give date, time and zone"),
    ],
)
def test_a_wrong_query_is_told_what_would_be_right(cast: Cast, query: str, sentence: str) -> None:
    response = get(cast.alice, f"transfers/?{query}")
    assert response.status_code == 400
    assert sentence in said(response)["detail"]
    assert "SECRET" not in response.content.decode()


def test_what_is_no_json_is_told_how_it_looks(cast: Cast) -> None:
    response = cast.alice.client.post("/api/transfers/", "{SECRET", content_type="application/json")
    assert response.status_code == 400
    assert "Names and texts stand in double quotes" in said(response)["detail"]
    assert "SECRET" not in response.content.decode()


def test_a_method_that_is_not_offered_is_told_which_are(cast: Cast) -> None:
    response = cast.sender_store.client.put("/api/transfers/")
    assert response.status_code == 405
    assert "Use GET, POST" in said(response)["detail"]


def test_who_accepts_no_json_is_told_to(cast: Cast) -> None:
    response = cast.sender_store.client.get("/api/transfers/", headers={"Accept": "text/html"})
    assert response.status_code == 406
    assert "accept application/json" in said(response)["detail"]


def test_who_may_not_ask_for_disclosures_is_told_which_right_is_missing(cast: Cast) -> None:
    response = post(cast.sender_store, "disclosures/search/", {"patient_id": "P-1"})
    assert response.status_code == 403
    assert "the right to manage" in said(response)["detail"]


@pytest.mark.parametrize(
    ("actor", "act", "body", "right"),
    [
        ("sender_read", "withdraw", {}, "with the right to store or to manage"),
        ("recipient_read", "withdraw", {}, "Only its sender does this"),
        ("sender_store", "acknowledge", {}, "Only a recipient of it does this"),
    ],
)
def test_who_may_not_act_is_told_who_may(cast: Cast, actor: str, act: str, body: object, right: str) -> None:
    transfer = factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=State.AVAILABLE)
    response = post(getattr(cast, actor), f"transfers/{transfer.pk}/{act}/", body)
    assert response.status_code == 403
    assert right in said(response)["detail"]


def test_what_is_not_there_says_so_to_everybody(cast: Cast) -> None:
    assert (
        said(get(cast.alice, f"transfers/{uuid4()}/"))["detail"]
        == said(get(cast.bob, f"transfers/{uuid4()}/"))["detail"]
    )
