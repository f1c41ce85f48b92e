"""/api/transfers/: create, list, read, change."""

import json
import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from tests import factories
from tests.actors import Actor, Cast
from tests.exchange.api.requests import get, patch, post, said
from transfers.models import PullRecord, Transfer
from transfers.rules.lifecycle import State

EMAIL = "jane.doe@example.org"


def make_available(cast: Cast) -> Transfer:
    return factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=State.AVAILABLE)


# Create


def test_a_draft_is_created_where_location_says(cast: Cast) -> None:
    response = post(cast.sender_store, "transfers/", {"recipients": ["general-hospital"], "purpose": "second opinion"})
    assert response.status_code == 201
    body = said(response)
    assert response["Location"].endswith(f"/api/transfers/{body['id']}/")
    assert (body["state"], body["purpose"], body["role"]) == ("draft", "second opinion", "sender")
    assert body["deliveries"][0]["recipient"]["address"] == "general-hospital"


@pytest.mark.parametrize("recipient", ["general-hospital", {"address": "general-hospital"}])
def test_a_recipient_is_text_or_an_object(cast: Cast, recipient: object) -> None:
    body = said(post(cast.alice, "transfers/", {"recipients": [recipient]}))
    assert body["deliveries"][0]["access"] == body["deliveries"][0]["access_now"] == "open"
    assert body["deliveries"][0]["pulled"]["sentence"] == "0 of 0 pulled"


@pytest.mark.parametrize("recipient", [EMAIL, {"email": EMAIL}])
def test_an_email_recipient_gets_a_pin_in_this_answer_alone(cast: Cast, recipient: object) -> None:
    body = said(post(cast.alice, "transfers/", {"recipients": [recipient]}))
    (pin,) = body["pins"]
    assert pin["email"] == EMAIL
    assert re.fullmatch(r"\d{8}", pin["pin"])
    assert pin["pin"] not in get(cast.alice, f"transfers/{body['id']}/").content.decode()


def test_a_site_without_a_partnership_waits(cast: Cast) -> None:
    body = said(post(cast.alice, "transfers/", {"recipients": ["county-clinic"]}))
    assert body["deliveries"][0]["access"] == "waiting"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("recipients", ["no where"]),
        ("recipients", ["nowhere"]),
        ("recipients", ["st-elsewhere"]),
        ("recipients", [{"fax": "1"}]),
        ("recipients", [7]),
        ("recipients", ["a@"]),
        ("urgency", "asap"),
        ("declared_instances", 0),
        ("until", "tomorrow"),
        ("until", "2020-01-01T00:00:00Z"),
        ("grace_days", -1),
        ("follows", "7"),
        ("recipient", ["general-hospital"]),
    ],
)
def test_a_wrong_value_names_its_field(cast: Cast, field: str, value: object) -> None:
    response = post(cast.alice, "transfers/", {field: value})
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    (problem,) = said(response)["errors"]
    assert problem["field"].startswith(field)
    assert len(problem["detail"]) > 10


def test_too_short_a_life_is_refused_in_words(cast: Cast) -> None:
    soon = (timezone.now() + timedelta(minutes=1)).isoformat()
    assert "at least 1 hour" in said(post(cast.alice, "transfers/", {"until": soon}))["detail"]


def test_a_key_that_only_reads_creates_nothing(cast: Cast) -> None:
    assert post(cast.recipient_read, "transfers/", {}).status_code == 403


@pytest.mark.parametrize("body", ["{", "[]", '"text"', "\xff", '{"until": NaN}'])
def test_a_body_that_is_no_object_is_refused(cast: Cast, body: str) -> None:
    response = cast.alice.client.post("/api/transfers/", body.encode("latin-1"), content_type="application/json")
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_a_body_is_bounded(cast: Cast) -> None:
    response = post(cast.alice, "transfers/", {"message": "x" * 300_000})
    assert response.status_code == 413


def test_a_form_is_no_json(cast: Cast) -> None:
    response = cast.alice.client.post("/api/transfers/", {"purpose": "other"})
    assert response.status_code == 415


def test_a_chunked_body_is_told_apart_from_none(cast: Cast) -> None:
    response = cast.sender_store.client.post(
        "/api/transfers/", b"", content_type="application/json", HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH=""
    )
    assert response.status_code == 411


# Read


def test_a_recipient_reads_its_own_delivery_and_no_other(cast: Cast) -> None:
    transfer = make_available(cast)
    factories.make_delivery(transfer, organization=cast.county_clinic)
    response = get(cast.recipient_read, f"transfers/{transfer.pk}/")
    assert [one["recipient"]["address"] for one in said(response)["deliveries"]] == ["general-hospital"]
    assert "county" not in response.content.decode().lower()


def test_the_tag_is_the_revision(cast: Cast) -> None:
    transfer = make_available(cast)
    assert get(cast.alice, f"transfers/{transfer.pk}/")["ETag"] == f'"{transfer.revision}"'


def test_patient_data_are_not_cached(cast: Cast) -> None:
    assert "no-store" in get(cast.alice, f"transfers/{make_available(cast).pk}/")["Cache-Control"]


def test_it_counts_what_was_pulled(cast: Cast) -> None:
    transfer = make_available(cast)
    first, _ = factories.store_instances(transfer, [factories.make_ct(), factories.make_ct()])
    now = timezone.now()
    PullRecord.objects.create(
        delivery=transfer.deliveries.get(),
        instance=first,
        kind="pulled",
        road="dicomweb",
        principal="key:x",
        first_at=now,
        last_at=now,
    )
    (delivery,) = said(get(cast.alice, f"transfers/{transfer.pk}/"))["deliveries"]
    assert delivery["pulled"]["sentence"] == "1 of 2 pulled"


@pytest.mark.parametrize("state", [State.DRAFT, State.RECEIVING, State.VALIDATING, State.HELD])
def test_a_recipient_sees_nothing_before_it_is_available(cast: Cast, state: State) -> None:
    transfer = factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=state)
    assert get(cast.recipient_read, f"transfers/{transfer.pk}/").status_code == 404


def test_a_stranger_gets_the_answer_of_what_never_was(cast: Cast) -> None:
    there, nowhere = make_available(cast).pk, uuid4()
    for actor in (cast.mallory, cast.stranger_key):
        foreign, absent = (get(actor, f"transfers/{ident}/") for ident in (there, nowhere))
        assert foreign.status_code == absent.status_code == 404
        assert foreign.content == absent.content
        assert foreign.headers == absent.headers


@pytest.mark.parametrize("path", ["transfers/", "directory/", "keys/"])
def test_nobody_gets_in_without_a_credential(cast: Cast, path: str) -> None:
    response = get(cast.anonymous, path)
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert response["Content-Type"] == "application/problem+json"


def test_a_bad_key_does_not_fall_back_to_the_cookie(cast: Cast) -> None:
    response = cast.alice.client.get("/api/transfers/", headers={"Authorization": "Bearer wsk_0_0"})
    assert response.status_code == 401


def test_a_session_needs_its_csrf_token(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    assert cast.alice.user is not None
    client.force_login(cast.alice.user)
    assert client.post("/api/transfers/", {}, content_type="application/json").status_code == 403
    assert not Transfer.objects.exists()


# List


def test_a_list_goes_on_where_it_says(cast: Cast) -> None:
    made = [str(make_available(cast).pk) for _ in range(3)]
    first = said(get(cast.alice, "transfers/?limit=2"))
    rest = said(cast.alice.client.get(first["next"]))
    assert [one["id"] for one in [*first["results"], *rest["results"]]] == made[::-1]
    assert rest["next"] is None


def test_a_list_is_filtered(cast: Cast) -> None:
    make_available(cast)
    for query, count in [
        ("direction=sent", 1),
        ("direction=received", 0),
        ("state=available", 1),
        ("state=draft", 0),
        ("since=2020-01-01T00:00:00Z", 1),
        ("since=2100-01-01T00:00:00Z", 0),
    ]:
        assert len(said(get(cast.sender_read, f"transfers/?{query}"))["results"]) == count, query


@pytest.mark.parametrize("query", ["state=lost", "direction=up", "limit=0", "since=then", "cursor=x", "colour=red"])
def test_a_wrong_filter_is_refused(cast: Cast, query: str) -> None:
    assert get(cast.alice, f"transfers/?{query}").status_code == 400


# Change


def make_draft(actor: Actor, **fields: object) -> dict[str, object]:
    body: dict[str, object] = said(post(actor, "transfers/", fields))
    return body


def test_a_draft_is_changed(cast: Cast) -> None:
    draft = make_draft(cast.alice, message="old")
    body = said(patch(cast.alice, f"transfers/{draft['id']}/", {"message": "new", "recipients": [EMAIL]}))
    assert body["message"] == "new"
    assert [pin["email"] for pin in body["pins"]] == [EMAIL]
    assert body["revision"] > draft["revision"]


@pytest.mark.parametrize("purpose", ["for Mrs Miller", "Treatment", 7, ["other"], {"name": "other"}])
def test_a_purpose_is_one_of_a_list(cast: Cast, purpose: object) -> None:
    draft = make_draft(cast.alice)
    for response in (
        post(cast.alice, "transfers/", {"purpose": purpose}),
        patch(cast.alice, f"transfers/{draft['id']}/", {"purpose": purpose}),
    ):
        assert response.status_code == 400
        assert "Miller" not in response.content.decode()
    if isinstance(purpose, str):
        (wrong,) = response.json()["errors"]
        assert wrong["field"] == "purpose"
        assert all(f"{allowed}," in wrong["detail"] for allowed in ("treatment", "second opinion", "quality"))


def test_a_purpose_can_be_taken_back(cast: Cast) -> None:
    draft = make_draft(cast.alice, purpose="research")
    assert said(patch(cast.alice, f"transfers/{draft['id']}/", {"purpose": ""}))["purpose"] == ""


def test_a_change_on_an_older_revision_is_refused(cast: Cast) -> None:
    draft = make_draft(cast.alice)
    path = f"transfers/{draft['id']}/"
    assert patch(cast.alice, path, {"purpose": "referral"}, If_Match='"1"').status_code == 200
    assert patch(cast.alice, path, {"purpose": "research"}, If_Match='"1"').status_code == 412
    assert said(get(cast.alice, path))["purpose"] == "referral"


@pytest.mark.parametrize("tag", ["1", 'W/"1"', '"x"', '"1", "2"'])
def test_a_tag_that_is_not_ours_matches_nothing(cast: Cast, tag: str) -> None:
    draft = make_draft(cast.alice)
    assert patch(cast.alice, f"transfers/{draft['id']}/", {"purpose": "referral"}, If_Match=tag).status_code == 412


def test_what_was_sent_is_not_changed(cast: Cast) -> None:
    transfer = make_available(cast)
    assert patch(cast.alice, f"transfers/{transfer.pk}/", {"purpose": "referral"}).status_code == 409


def test_a_method_that_is_not_offered_is_a_problem(cast: Cast) -> None:
    response = cast.alice.client.put("/api/transfers/", json.dumps({}), content_type="application/json")
    assert response.status_code == 405
    assert response["Content-Type"] == "application/problem+json"
    assert "POST" in response["Allow"]
