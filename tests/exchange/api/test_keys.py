"""/api/keys/: who keeps which keys, and what a new one can do."""

import pytest

from accounts.models import ApiKey, Department, Membership, Organization
from tests import factories
from tests.actors import Actor, Cast
from tests.exchange.api.requests import get, post, said
from transfers.rules.lifecycle import State


def names(actor: Actor) -> set[str]:
    return {one["name"] for one in said(get(actor, "keys/"))["results"]}


def new_key(actor: Actor, **fields: object) -> dict[str, str]:
    response = post(actor, "keys/", {"name": "PACS", "scopes": ["read"], **fields})
    assert response.status_code == 201, response.content
    made: dict[str, str] = said(response)
    return made


@pytest.mark.parametrize("actor", ["alice", "sender_manage"])
def test_an_administrator_makes_a_key_that_works(cast: Cast, actor: str) -> None:
    made = new_key(getattr(cast, actor))
    assert get(Actor("new", key=made["key"]), "transfers/").status_code == 200


def test_the_secret_is_shown_once(cast: Cast) -> None:
    made = new_key(cast.alice)
    assert made["key"] not in get(cast.alice, "keys/").content.decode()
    assert (
        made["key"].rpartition("_")[2].encode().hex()
        not in bytes(ApiKey.objects.get(public_id=made["id"]).digest).hex()
    )


def test_each_organisation_lists_its_own(cast: Cast) -> None:
    assert names(cast.alice) == {"sender_store", "sender_read", "sender_manage"}
    assert names(cast.mallory) == {"stranger_key"}


def test_a_member_makes_keys_for_themselves_alone(cast: Cast) -> None:
    made = new_key(cast.bob)
    assert made["is_personal"]
    assert names(cast.bob) == {"PACS"}


@pytest.mark.parametrize("scope", ["store", "manage"])
def test_a_member_gives_no_more_than_they_hold(cast: Cast, scope: str) -> None:
    response = post(cast.bob, "keys/", {"name": "x", "scopes": [scope]})
    assert response.status_code == 400
    assert said(response)["errors"][0]["field"] == "scopes"


@pytest.mark.parametrize("actor", ["sender_store", "sender_read", "recipient_read"])
def test_a_key_without_the_right_keeps_no_keys(cast: Cast, actor: str) -> None:
    assert get(getattr(cast, actor), "keys/").status_code == 403
    assert post(getattr(cast, actor), "keys/", {"name": "x", "scopes": ["read"]}).status_code == 403


def test_a_revoked_key_opens_nothing_from_then_on(cast: Cast) -> None:
    made = new_key(cast.alice)
    assert cast.alice.client.delete(f"/api/keys/{made['id']}/").status_code == 204
    assert get(Actor("old", key=made["key"]), "transfers/").status_code == 401


def test_a_foreign_key_is_as_absent_as_none(cast: Cast) -> None:
    made = new_key(cast.alice)
    foreign = cast.mallory.client.delete(f"/api/keys/{made['id']}/")
    absent = cast.mallory.client.delete("/api/keys/0000000000000000/")
    assert (foreign.status_code, foreign.content) == (absent.status_code, absent.content) == (404, absent.content)
    assert get(Actor("still", key=made["key"]), "transfers/").status_code == 200


def test_a_key_may_be_limited_to_a_department(cast: Cast) -> None:
    factories.make_department(cast.st_elsewhere, "radiology")
    assert new_key(cast.alice, department="radiology")["department"] == "radiology"


def test_a_department_of_others_is_none(cast: Cast) -> None:
    factories.make_department(cast.general_hospital, "radiology")
    response = post(cast.alice, "keys/", {"name": "x", "scopes": ["read"], "department": "radiology"})
    assert said(response)["errors"][0]["field"] == "department"


def test_an_administrator_of_a_department_makes_keys_for_it_alone(cast: Cast) -> None:
    department = factories.make_department(cast.st_elsewhere, "radiology")
    Membership.objects.filter(user=cast.alice.user).update(department=department)
    made = new_key(cast.alice)
    assert made["department"] == "radiology"
    assert Department.objects.count() == 1


def test_a_key_may_be_bound_to_one_transfer(cast: Cast) -> None:
    here, there = (factories.make_transfer(cast.st_elsewhere, state=State.DRAFT) for _ in range(2))
    bound = Actor("bound", key=new_key(cast.alice, transfer=str(here.pk))["key"])
    assert get(bound, f"transfers/{here.pk}/").status_code == 200
    assert get(bound, f"transfers/{there.pk}/").status_code == 404
    assert post(bound, "keys/", {"name": "x", "scopes": ["read"]}).status_code == 403


def test_a_key_is_not_bound_to_what_its_maker_cannot_see(cast: Cast) -> None:
    foreign = factories.make_transfer()
    response = post(cast.alice, "keys/", {"name": "x", "scopes": ["read"], "transfer": str(foreign.pk)})
    assert response.status_code == 404


def test_a_member_of_two_says_for_which(cast: Cast) -> None:
    other = Organization.objects.get(address="county-clinic")
    assert cast.alice.user is not None
    Membership.objects.create(user=cast.alice.user, organization=other, may_administer=True)
    response = post(cast.alice, "keys/", {"name": "x", "scopes": ["read"]})
    assert said(response)["errors"][0]["field"] == "organization"
    assert new_key(cast.alice, organization="county-clinic")["organization"] == "county-clinic"
