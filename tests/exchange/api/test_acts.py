"""What is done to a transfer: by whom, on which revision, and what then is true."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests import factories
from tests.actors import Cast
from tests.exchange.api.requests import act, get, post, said
from transfers.models import Finding, Transfer
from transfers.rules.lifecycle import Access, Reason, State

IN_TEN_DAYS = (timezone.now() + timedelta(days=10)).isoformat()
IN_FIFTY_DAYS = (timezone.now() + timedelta(days=50)).isoformat()


def draft(cast: Cast) -> Transfer:
    transfer = factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=State.DRAFT)
    factories.store_instance(transfer, factories.make_ct())
    return transfer


def receiving(cast: Cast) -> Transfer:
    transfer = factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=State.RECEIVING)
    factories.store_instance(transfer, factories.make_ct())
    return transfer


def held(cast: Cast) -> Transfer:
    transfer = factories.make_transfer(
        cast.st_elsewhere, to=[cast.general_hospital], state=State.HELD, reason=Reason.FINDINGS
    )
    Finding.objects.create(transfer=transfer, code="incomplete", grade="stop", created_at=timezone.now())
    return transfer


def available(cast: Cast) -> Transfer:
    return factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=State.AVAILABLE)


def offered(cast: Cast) -> Transfer:
    transfer = factories.make_transfer(cast.st_elsewhere, state=State.AVAILABLE)
    factories.make_delivery(transfer, organization=cast.general_hospital, access=Access.WAITING)
    return transfer


def lapsed(cast: Cast) -> Transfer:
    transfer = available(cast)
    hour_ago = timezone.now() - timedelta(hours=1)
    Transfer.objects.filter(pk=transfer.pk).update(
        state=State.CLOSED, reason=Reason.LAPSED, closed_at=hour_ago, available_until=hour_ago
    )
    transfer.refresh_from_db()
    return transfer


def first_delivery(transfer: Transfer) -> dict[str, Any]:
    return {"delivery": transfer.deliveries.get().pk}


Make = Callable[[Cast], Transfer]
Body = Callable[[Transfer], dict[str, Any]]

SENDERS, RECIPIENTS = {"alice", "sender_store", "sender_manage"}, {"bob", "recipient_read"}
# The act, the transfer it is done to, its body, who may do it, and the state that follows.
ACTS: dict[str, tuple[Make, Body, set[str], str]] = {
    "send": (draft, lambda _: {}, SENDERS, "validating"),
    "finalise": (receiving, lambda _: {}, SENDERS, "validating"),
    "release": (held, lambda _: {"note": "agreed by phone"}, SENDERS, "available"),
    "extend": (available, lambda _: {"until": IN_FIFTY_DAYS}, SENDERS, "available"),
    "withdraw": (available, lambda _: {}, SENDERS, "purged"),
    "revoke": (available, first_delivery, SENDERS, "available"),
    "reopen": (lapsed, lambda _: {"until": IN_TEN_DAYS}, SENDERS, "available"),
    "accept": (offered, lambda _: {}, RECIPIENTS, "available"),
    "decline": (offered, lambda _: {"reason": "not ours"}, RECIPIENTS, "available"),
    "acknowledge": (available, lambda _: {}, RECIPIENTS, "available"),
}
ACTORS = [
    *("alice", "sender_store", "sender_read", "sender_manage", "bob", "recipient_read"),
    *("clinic_read", "mallory", "stranger_key", "anonymous"),
]
OUTSIDERS = {"clinic_read", "mallory", "stranger_key"}
# Acts whose transfer its recipient does not know of yet.
HIDDEN = {"send", "finalise", "release"}


def expected(name: str, actor: str) -> int:
    if actor == "anonymous":
        return 401
    if actor in ACTS[name][2]:
        return 200
    if actor in OUTSIDERS or (actor in RECIPIENTS and name in HIDDEN):
        return 404
    return 403


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize("actor", ACTORS)
def test_each_act_is_for_those_it_belongs_to(cast: Cast, name: str, actor: str) -> None:
    make, body, _, state = ACTS[name]
    transfer = make(cast)
    before = transfer.state
    response = act(getattr(cast, actor), transfer.pk, name, body(transfer))
    assert response.status_code == expected(name, actor), response.content
    transfer.refresh_from_db()
    assert transfer.state == (state if response.status_code == 200 else before)


@pytest.mark.parametrize("name", ACTS)
def test_each_act_heeds_the_revision(cast: Cast, name: str) -> None:
    make, body, who, _ = ACTS[name]
    transfer = make(cast)
    actor = getattr(cast, sorted(who)[0])
    assert act(actor, transfer.pk, name, body(transfer), If_Match='"999"').status_code == 412
    assert act(actor, transfer.pk, name, body(transfer), If_Match=f'"{transfer.revision}"').status_code == 200


@pytest.mark.parametrize("name", ACTS)
def test_each_act_refuses_a_field_it_does_not_know(cast: Cast, name: str) -> None:
    make, body, who, _ = ACTS[name]
    transfer = make(cast)
    response = act(getattr(cast, sorted(who)[0]), transfer.pk, name, {**body(transfer), "force": True})
    assert response.status_code == 400
    assert said(response)["errors"][0]["field"] == "force"


@pytest.mark.parametrize("name", sorted(name for name, row in ACTS.items() if row[2] == SENDERS and name != "reopen"))
def test_nothing_is_done_to_what_was_withdrawn(cast: Cast, name: str) -> None:
    _, body, _, _ = ACTS[name]
    transfer = available(cast)
    asked = body(transfer)
    act(cast.alice, transfer.pk, "withdraw")
    assert act(cast.alice, transfer.pk, name, asked).status_code in (409, 410)


@pytest.mark.parametrize("name", ["accept", "acknowledge"])
def test_a_recipient_is_told_that_a_withdrawn_one_is_gone(cast: Cast, name: str) -> None:
    transfer = available(cast)
    act(cast.alice, transfer.pk, "withdraw")
    assert act(cast.bob, transfer.pk, name).status_code == 410


@pytest.mark.parametrize("name", ["extend", "reopen"])
@pytest.mark.parametrize("until", ["2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "soon", None])
def test_an_end_that_is_not_permitted_names_its_field(cast: Cast, name: str, until: str | None) -> None:
    transfer = ACTS[name][0](cast)
    response = act(cast.alice, transfer.pk, name, {"until": until} if until else {})
    assert response.status_code == 400
    assert said(response)["errors"][0]["field"] == "until"


def test_revoking_closes_the_recipients_view(cast: Cast) -> None:
    transfer = available(cast)
    act(cast.alice, transfer.pk, "revoke", first_delivery(transfer))
    assert get(cast.bob, f"transfers/{transfer.pk}/").status_code == 404


def test_sending_names_recipients_and_gives_their_pins(cast: Cast) -> None:
    created = said(post(cast.alice, "transfers/", {"declared_instances": 2}))
    body = said(act(cast.alice, created["id"], "send", {"recipients": ["jane@example.org"]}))
    assert body["state"] == "receiving"
    assert [pin["email"] for pin in body["pins"]] == ["jane@example.org"]


def test_what_belongs_to_it_is_declared_in_parts(cast: Cast) -> None:
    created = said(post(cast.alice, "transfers/", {"declared_sop_instance_uids": ["1.2.1"]}))
    body = said(act(cast.alice, created["id"], "declare", {"sop_instance_uids": ["1.2.1", "1.2.2"]}))
    assert body["declared_instances"] == 2


@pytest.mark.parametrize("uids", [[], "1.2.3", ["1.2.x"], ["1..2"], ["1" * 65], [1.5, None], ["1.2"] * 5001])
def test_a_list_of_what_are_no_uids_is_refused(cast: Cast, uids: object) -> None:
    for response in (
        post(cast.alice, "transfers/", {"declared_sop_instance_uids": uids}),
        act(cast.alice, make_id(cast), "declare", {"sop_instance_uids": uids}),
    ):
        assert response.status_code == 400
        assert "sop_instance_uids" in said(response)["errors"][0]["field"]


def make_id(cast: Cast) -> str:
    return str(said(post(cast.alice, "transfers/", {}))["id"])


def test_sending_nothing_says_what_is_missing(cast: Cast) -> None:
    created = said(post(cast.alice, "transfers/", {"recipients": ["general-hospital"]}))
    response = act(cast.alice, created["id"], "send")
    assert response.status_code == 409
    assert "declare how many" in said(response)["detail"]
