"""The admin: a key is shown once, and a form makes one."""

import re
from typing import Any

import pytest
from django.test import Client

from accounts import authentication, credentials
from accounts.authentication import InvalidCredentials
from accounts.models import ApiKey, AuditEvent, Organization
from tests import factories
from tests.actors import Cast
from tests.exchange.admin.pages import choose, page


def key_form(client: Client, organization: Organization, **values: Any) -> dict[str, Any]:  # Any: fields by name
    """The form to add a key as the page gives it, filled in."""
    number = re.search(r'name="form_id" value="([^"]+)"', client.get(page(ApiKey, "add")).content.decode())
    assert number is not None
    return (
        {"name": "PACS", "organization": organization.pk, "scopes": ["store"], "days": "1"}
        | values
        | {"form_id": number[1]}
    )


def test_a_key_is_shown_once(cast: Cast, operator: Client) -> None:
    form = key_form(operator, cast.st_elsewhere, scopes=["store", "read"], days="30")
    response: Any = operator.post(page(ApiKey, "add"), form)  # Any: the test client's response
    secret = re.search(r"wsk_[0-9a-f_]+", response.content.decode())
    assert secret is not None
    assert "no-store" in response["Cache-Control"]
    who = authentication.authenticate_secret(secret[0])
    assert who.organizations("store") == who.organizations("read") == {cast.st_elsewhere.pk}
    assert ApiKey.objects.filter(name="PACS").count() == 1
    assert secret[0] not in operator.get(page(ApiKey, "change", ApiKey.objects.get(name="PACS").pk)).content.decode()


def test_the_page_of_a_new_key_loaded_again_makes_no_second(cast: Cast, operator: Client) -> None:
    form = key_form(operator, cast.st_elsewhere)
    first: Any = operator.post(page(ApiKey, "add"), form)  # Any: the test client's response
    secret = re.search(r"<textarea[^>]* readonly[^>]*>(wsk_[0-9a-f_]+)</textarea>", first.content.decode())
    assert secret is not None
    again: Any = operator.post(page(ApiKey, "add"), form, follow=True)  # Any: as above
    key = ApiKey.objects.get(name="PACS")
    assert again.redirect_chain == [(page(ApiKey, "change", key.pk), 302)]
    assert "The secret was shown once" in again.content.decode()
    assert secret[1] not in again.content.decode()
    assert authentication.authenticate_secret(secret[1]).organizations("store") == {cast.st_elsewhere.pk}


def test_forms_opened_one_after_the_other_make_a_key_each(cast: Cast, operator: Client) -> None:
    for _ in range(2):
        operator.post(page(ApiKey, "add"), key_form(operator, cast.st_elsewhere))
    assert ApiKey.objects.filter(name="PACS").count() == 2


def test_a_key_form_without_its_number_makes_none(cast: Cast, operator: Client) -> None:
    form = key_form(operator, cast.st_elsewhere) | {"form_id": ""}
    told: Any = operator.post(page(ApiKey, "add"), form)  # Any: the test client's response
    assert "Open the page to add a key anew." in told.content.decode()
    assert not ApiKey.objects.filter(name="PACS").exists()


def test_a_key_for_a_department_of_another_organisation_is_refused(cast: Cast, operator: Client) -> None:
    department = factories.make_department(cast.general_hospital)
    form = key_form(operator, cast.st_elsewhere, department=department.pk, scopes="read")
    response = operator.post(page(ApiKey, "add"), form)
    assert "It is not a department of this organisation." in response.content.decode()
    assert not ApiKey.objects.filter(name="PACS").exists()


def test_a_key_is_revoked(cast: Cast, operator: Client) -> None:
    issued = credentials.issue_key(cast.st_elsewhere, name="PACS", scopes=["store"])
    choose(operator, ApiKey, "revoke", issued.key)
    with pytest.raises(InvalidCredentials):
        authentication.authenticate_secret(issued.secret)
    assert AuditEvent.objects.filter(action="admin.change", subject=f"apikey:{issued.key.pk}").exists()
