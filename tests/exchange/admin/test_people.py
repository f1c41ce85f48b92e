"""The admin: organisations and people, every change in the trail."""

import re

import pytest
from django.test import Client

from accounts import credentials
from accounts.models import ApiKey, AuditEvent, Department, Membership, Organization, User
from tests import factories
from tests.actors import Cast
from tests.exchange.admin.pages import choose, page


def test_a_change_is_in_the_trail_by_field_never_by_value(cast: Cast, operator: Client) -> None:
    department = factories.make_department(cast.st_elsewhere)
    form = {"organization": cast.st_elsewhere.pk, "slug": "radiology", "name": "Imaging", "is_active": "on"}
    assert operator.post(page(Department, "change", department.pk), form).status_code == 302
    event = AuditEvent.objects.get(action="admin.change")
    assert (event.organization_id, event.agent) == (cast.st_elsewhere.pk, "admin")
    assert event.principal.startswith("user:")
    assert "Imaging" not in str(event.detail)
    assert event.detail["fields"] == ["Name"]


def test_what_is_added_and_deleted_is_in_the_trail(cast: Cast, operator: Client) -> None:
    assert cast.bob.user is not None
    form = {"user": cast.bob.user.pk, "organization": cast.county_clinic.pk, "may_receive": "on"}
    assert operator.post(page(Membership, "add"), form).status_code == 302
    row = Membership.objects.get(organization=cast.county_clinic)
    operator.post(page(Membership, "delete", row.pk), {"post": "yes"})
    events = AuditEvent.objects.filter(subject=f"membership:{row.pk}").order_by("id")
    assert [event.action for event in events] == ["admin.add", "admin.delete"]


def test_a_membership_is_in_a_department_of_its_organisation_and_for_something(cast: Cast, operator: Client) -> None:
    foreign = factories.make_department(cast.general_hospital)
    assert cast.alice.user is not None
    form = {"user": cast.alice.user.pk, "organization": cast.county_clinic.pk}
    told = operator.post(page(Membership, "add"), form | {"department": foreign.pk, "may_send": "on"})
    assert "It is not a department of this organisation." in told.content.decode()
    assert "Choose what this person may do there." in operator.post(page(Membership, "add"), form).content.decode()
    assert not Membership.objects.filter(organization=cast.county_clinic, user=cast.alice.user).exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"time_zone": "Hamburg"}, "Select a valid choice."),
        ({"retention_days": "90", "retention_ceiling_days": "60"}, "exceed the longest"),
        ({"retention_ceiling_days": "365"}, "Nothing is available for more than 180 days."),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(operator: Client, change: dict[str, str], sentence: str) -> None:
    text = operator.get(page(Organization, "add")).content.decode()
    form = dict(re.findall(r'name="([\w-]+)" value="([^"]*)"', text))
    form |= {"name": "New Site", "address": "new-site", "departments-TOTAL_FORMS": "0", "time_zone": "UTC"}
    assert sentence in operator.post(page(Organization, "add"), form | change).content.decode()


def test_time_zones_are_places_in_their_present_names(operator: Client) -> None:
    offered = set(re.findall(r'<option value="([^"]+)"', operator.get(page(User, "add")).content.decode()))
    assert {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"} <= offered
    assert not {"localtime", "Zulu", "ROK", "Etc/GMT+5", "US/Eastern"} & offered


def test_an_older_name_of_a_time_zone_is_kept(cast: Cast, operator: Client) -> None:
    assert cast.alice.user is not None
    User.objects.filter(pk=cast.alice.user.pk).update(time_zone="ROK")
    form = {"email": cast.alice.user.email, "name": "Alice", "time_zone": "ROK", "is_active": "on"}
    assert operator.post(page(User, "change", cast.alice.user.pk), form).status_code == 302
    assert operator.post(page(User, "change", cast.alice.user.pk), form | {"time_zone": "Zulu"}).status_code == 200


def test_two_spellings_of_an_address_are_one_account(cast: Cast, operator: Client) -> None:
    assert cast.alice.user is not None
    password = {"password1": "correct horse battery", "password2": "correct horse battery"}
    form = {"email": cast.alice.user.email.upper(), "time_zone": "UTC", **password}
    assert operator.post(page(User, "add"), form).status_code == 200
    assert operator.post(page(User, "add"), form | {"email": "New@Site.example"}).status_code == 302
    assert User.objects.filter(email="new@site.example").exists()


def test_an_organisation_is_made(operator: Client) -> None:
    text = operator.get(page(Organization, "add")).content.decode()
    form = dict(re.findall(r'name="([\w-]+)" value="([^"]*)"', text))
    form |= {"name": "New Site", "address": "new-site", "departments-TOTAL_FORMS": "0", "time_zone": "Europe/Berlin"}
    assert operator.post(page(Organization, "add"), form).status_code == 302
    assert Organization.objects.get(address="new-site").retention_days == 30


@pytest.mark.parametrize(
    ("text", "status", "listed"),
    [
        ('["https://viewer.example.org"]', 302, ["https://viewer.example.org"]),
        ("", 302, []),
        ('["https://viewer.example.org/"]', 200, []),
        ('["*"]', 200, []),
    ],
)
def test_origins_of_viewers_are_listed(operator: Client, text: str, status: int, listed: list[str]) -> None:
    form = dict(
        re.findall(r'name="([\w-]+)" value="([^"]*)"', operator.get(page(Organization, "add")).content.decode())
    )
    form |= {"name": "New Site", "address": "new-site", "departments-TOTAL_FORMS": "0", "time_zone": "UTC"}
    form["allowed_origins"] = text
    assert operator.post(page(Organization, "add"), form).status_code == status
    made = Organization.objects.filter(address="new-site").first()
    assert (made.allowed_origins if made else []) == listed


def test_a_person_is_made_with_a_password(operator: Client) -> None:
    form = {
        "email": "new@site.example",
        "time_zone": "UTC",
        "password1": "correct horse battery",
        "password2": "correct horse battery",
    }
    assert operator.post(page(User, "add"), form).status_code == 302
    assert User.objects.get(email="new@site.example").check_password("correct horse battery")


def test_to_clear_active_ends_keys_and_sessions(cast: Cast, operator: Client) -> None:
    alice = cast.alice.user
    assert alice is not None
    issued = credentials.issue_key(cast.st_elsewhere, name="script", scopes=["store"], owner=alice)
    theirs = cast.alice.client
    form = {"email": alice.email, "name": alice.name, "time_zone": "UTC"}
    assert operator.post(page(User, "change", alice.pk), form).status_code == 302
    alice.refresh_from_db()
    assert not alice.is_active
    assert ApiKey.objects.get(pk=issued.key.pk).revoked_at is not None
    assert theirs.get("/").status_code == 302
    assert AuditEvent.objects.filter(action="user.deactivate", subject=f"user:{alice.pk}").exists()


def test_people_are_deactivated_but_never_oneself(cast: Cast, operator: Client) -> None:
    alice, me = cast.alice.user, User.objects.get(is_superuser=True)
    choose(operator, User, "deactivate", alice, me)
    assert list(User.objects.filter(is_active=False)) == [alice]
