"""`manage.py seed_demo`: three sites, their people and keys, as often as one likes."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from accounts import authentication
from accounts.models import ApiKey, Department, Membership, Organization, Partnership, User

pytestmark = pytest.mark.django_db
SITES = {"st-elsewhere", "general-hospital", "county-clinic"}


def seed() -> dict[str, Any]:  # Any: JSON
    output = io.StringIO()
    call_command("seed_demo", "--json", stdout=output)
    seeded: dict[str, Any] = json.loads(output.getvalue())  # Any: as above
    return seeded


def counts() -> list[int]:
    return [model.objects.count() for model in (Organization, Department, Partnership, User, Membership)]


def test_it_prints_where_everything_is(settings: Settings) -> None:
    settings.PUBLIC_URL, settings.PUBLIC_HOST = "https://exchange.example.org", "exchange.example.org"
    settings.EXCHANGE_DIMSE_PORT = 4242
    seeded = seed()
    assert seeded["base_url"] == "https://exchange.example.org"
    assert (seeded["dimse_host"], seeded["dimse_port"]) == ("exchange.example.org", 4242)
    assert set(seeded["organizations"]) == SITES
    fields = {"address", "ae_title", "store_key", "read_key", "manage_key"}
    assert all(set(site) == fields for site in seeded["organizations"].values())
    assert all(set(user) == {"email", "password", "organization", "roles"} for user in seeded["users"])


@pytest.mark.parametrize("scope", ["store", "read", "manage"])
def test_each_key_does_what_it_is_called(scope: str) -> None:
    for address, site in seed()["organizations"].items():
        who = authentication.authenticate_secret(site[f"{scope}_key"])
        (place,) = who.places
        assert place.scopes == {scope}
        assert Organization.objects.get(pk=place.organization_id).address == address


def test_repeated_it_makes_fresh_keys_and_nothing_else() -> None:
    first = seed()
    before, keys = counts(), ApiKey.objects.count()
    second = seed()
    assert counts() == before
    assert ApiKey.objects.count() == 2 * keys
    old, new = (seeded["organizations"]["st-elsewhere"]["store_key"] for seeded in (first, second))
    assert old != new
    assert authentication.authenticate_secret(old).places == authentication.authenticate_secret(new).places


def test_repeated_it_resets_passwords_and_opens_closed_accounts() -> None:
    first = seed()["users"][0]
    User.objects.filter(email=first["email"]).update(is_active=False)
    second = seed()["users"][0]
    user = User.objects.get(email=first["email"])
    assert user.is_active
    assert user.check_password(second["password"])
    assert not user.check_password(first["password"])


def test_everybody_is_a_partner_of_everybody() -> None:
    seed()
    Partnership.objects.update(state=Partnership.State.SUSPENDED)
    seed()
    pairs = Partnership.objects.filter(state=Partnership.State.ACCEPTED, auto_accept=True)
    assert set(pairs.values_list("sender__address", "recipient__address")) == {
        (sender, recipient) for sender in SITES for recipient in SITES if sender != recipient
    }


def test_departments_have_addresses_of_their_own() -> None:
    seed()
    assert "general-hospital.radiology" in {department.address for department in Department.objects.all()}


def test_people_sign_in_and_hold_their_roles() -> None:
    for user in seed()["users"]:
        client = Client()
        answer = client.post("/accounts/login/", {"login": user["email"], "password": user["password"]})
        assert answer.status_code == 302, user["email"]
        assert client.get("/").status_code == 200
        if user["organization"]:
            membership = Membership.objects.get(user__email=user["email"], organization__address=user["organization"])
            assert membership.may_send == ("send" in user["roles"])
            assert membership.may_receive == ("receive" in user["roles"])
            assert membership.may_administer == ("administer" in user["roles"])


def test_the_operator_opens_the_admin() -> None:
    (operator,) = [user for user in seed()["users"] if user["organization"] is None]
    client = Client()
    client.post("/accounts/login/", {"login": operator["email"], "password": operator["password"]})
    assert client.get("/admin/").status_code == 200


def test_it_leaves_others_alone() -> None:
    other = Organization.objects.create(address="real-hospital", name="Real Hospital")
    person = User.objects.create_user("somebody@real-hospital.example", "a password of theirs")
    seed()
    assert not Partnership.objects.filter(sender=other).exists()
    person.refresh_from_db()
    assert person.check_password("a password of theirs")


def test_without_json_it_is_for_people() -> None:
    output = io.StringIO()
    call_command("seed_demo", stdout=output)
    assert "sender@st-elsewhere.example" in output.getvalue()
    assert "wsk_" in output.getvalue()
    assert "DIMSE" not in output.getvalue()  # nothing listens there yet; programs find it in the JSON
