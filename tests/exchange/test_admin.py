"""The admin: ids and states of every table, nothing of a patient, every change in the trail."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import label_for_field
from django.db.models import BinaryField
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import audit, authentication, credentials
from accounts.administration import ReadOnly
from accounts.authentication import InvalidCredentials
from accounts.models import ApiKey, AuditEvent, Department, Membership, Organization, Partnership, User
from tests import factories, sealing
from tests.actors import Cast, make_cast
from tests.exchange.portal.linking import text_of
from tests.factories import make_ct
from transfers import expiring
from transfers.models import Destruction, Disclosure, Finding, Job, Transfer

OURS = [model for label in ("accounts", "transfers") for model in apps.get_app_config(label).get_models()]
# Written anew every ten minutes and worthless by themselves.
NOT_SHOWN = {"AccessToken"}


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


@pytest.fixture
def operator(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator@waystation.example"))
    return client


def page(model: type[Any] | Any, name: str, *args: object) -> str:  # Any: a model
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def choose(client: Client, model: Any, action: str, *rows: Any) -> Any:  # Any: models, the test client's response
    form = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(page(model, "changelist"), form, follow=True)


def test_every_table_of_ours_is_there() -> None:
    registered = {model.__name__ for model in OURS if model in admin.site._registry}
    assert {model.__name__ for model in OURS} - registered == NOT_SHOWN


def test_no_table_of_a_library_is() -> None:
    assert {model._meta.app_label for model in admin.site._registry} == {"accounts", "transfers"}


@pytest.mark.parametrize("model", [model for model in OURS if model.__name__ not in NOT_SHOWN])
def test_lists_open_and_search(operator: Client, model: Any) -> None:  # Any: a model
    assert operator.get(page(model, "changelist")).status_code == 200
    assert operator.get(page(model, "changelist"), {"q": "abc"}).status_code == 200


@pytest.mark.parametrize("model", [model for model in OURS if model.__name__ not in NOT_SHOWN])
def test_no_page_shows_a_binary_column(operator: Client, rf: Any, model: Any) -> None:  # Any: a model
    request = rf.get("/")
    request.user = User.objects.get()
    shown = admin.site._registry[model].get_fields(request, model())
    assert not {field.name for field in model._meta.fields if isinstance(field, BinaryField)} & set(map(str, shown))


def test_nothing_of_the_patient_is_on_any_page(cast: Cast, operator: Client) -> None:
    file = make_ct(PatientName="Canary^Yellow", PatientID="CANARY-1", AccessionNumber="CANARY-2")
    transfer = sealing.send([file], sender=cast.st_elsewhere, to=[cast.general_hospital])
    key = factories.key_of(transfer)
    Transfer.objects.update(message_record=key.seal("message", "", b"Canary message"))
    record = key.seal("finding", "note:", b"Canary finding")
    Finding.objects.create(transfer=transfer, code="note", grade="note", record=record, created_at=timezone.now())
    rows = [transfer, transfer.studies.get(), transfer.instances.get(), transfer.findings.get()]
    for row in rows:
        for path in (page(row, "changelist"), page(row, "change", row.pk)):
            response = operator.get(path)
            assert response.status_code == 200
            assert not re.search("canary", response.content.decode(), re.IGNORECASE)


@pytest.mark.parametrize("model", [*apps.get_app_config("transfers").get_models()])
def test_what_the_exchange_writes_nobody_else_does(operator: Client, model: Any) -> None:  # Any: a model
    assert operator.get(page(model, "add")).status_code == 403


def test_a_state_cannot_be_changed(cast: Cast, operator: Client) -> None:
    transfer = factories.make_transfer(cast.st_elsewhere)
    response = operator.post(page(Transfer, "change", transfer.pk), {"state": "available"})
    assert response.status_code == 403
    assert operator.post(page(Transfer, "delete", transfer.pk), {"post": "yes"}).status_code == 403


def test_a_destroyed_transfer_says_why_and_that_nothing_is_left(cast: Cast, operator: Client) -> None:
    transfer = sealing.send([factories.make_ct()], sender=cast.st_elsewhere, to=[cast.general_hospital])
    expiring.withdraw(cast.alice.who, transfer.pk)
    expiring.delete_objects(transfer.pk)
    transfers = text_of(operator.get("/admin/transfers/transfer/"))
    assert re.search(rf"{transfer.reference} purged withdrawn st-elsewhere 1 0 ", transfers)
    assert "open, ended" in text_of(operator.get("/admin/transfers/delivery/"))


@pytest.mark.parametrize("by", ["reference", "pk"])
def test_a_transfer_is_found_by_reference_and_by_id(cast: Cast, operator: Client, by: str) -> None:
    wanted, other = factories.make_transfer(cast.st_elsewhere), factories.make_transfer(cast.st_elsewhere)
    found = operator.get(page(Transfer, "changelist"), {"q": str(getattr(wanted, by))}).content.decode()
    assert wanted.reference in found
    assert other.reference not in found


# Who


def test_a_person_who_operates_nothing_is_refused(cast: Cast) -> None:
    response = cast.alice.client.get("/admin/", follow=True)
    assert response.status_code == 403
    assert "Your account may not do this" in response.content.decode()


def test_who_is_not_signed_in_signs_in_where_everybody_does(db: None) -> None:
    response = Client().get("/admin/", follow=True)
    assert response.redirect_chain[-1][0] == "/accounts/login/?next=/admin/"


# Jobs


def make_job(state: str, row: str = "1") -> Job:
    now = timezone.now()
    return Job.objects.create(event="notify", row=row, state=state, attempts=16, due_at=now, created_at=now)


def test_a_dead_job_is_tried_again(operator: Client) -> None:
    job = make_job("dead")
    choose(operator, Job, "retry", job)
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("waiting", 0)
    event = AuditEvent.objects.get(action="admin.change")
    assert (event.subject, event.detail) == (f"job:{job.pk}", {"fields": ["state"]})


@pytest.mark.parametrize("state", ["done", "running", "waiting"])
def test_a_job_that_is_not_dead_is_left(operator: Client, state: str) -> None:
    job = make_job(state)
    response = choose(operator, Job, "retry", job)
    assert "1 were left" in response.content.decode()
    job.refresh_from_db()
    assert (job.state, job.attempts) == (state, 16)


def test_a_dead_job_whose_work_waits_already_is_left(operator: Client) -> None:
    dead, waiting = make_job("dead"), make_job("waiting")
    choose(operator, Job, "retry", dead)
    dead.refresh_from_db()
    assert dead.state == "dead"
    assert Job.objects.get(pk=waiting.pk).state == "waiting"


# Organisations, people, keys


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


def test_choices_are_named(cast: Cast, operator: Client) -> None:
    text = operator.get(page(Membership, "add")).content.decode()
    assert "bob@general-hospital.example" in text
    assert "General Hospital" in text
    assert "object (" not in text.partition("<form")[2].partition("</form>")[0]


def test_a_list_says_who_and_how_a_column_is_called(cast: Cast, operator: Client) -> None:
    assert cast.alice.user is not None
    issued = credentials.issue_key(cast.st_elsewhere, name="PACS", scopes=["store", "read"])
    transfer = sealing.send([make_ct()], sender=cast.st_elsewhere, to=[cast.general_hospital])
    expiring.withdraw(cast.alice.who, transfer.pk)
    audit.record(authentication.authenticate_secret(issued.secret), "key.use", organization_id=cast.st_elsewhere.pk)
    trail = text_of(operator.get(page(AuditEvent, "changelist")))
    assert f"user:{cast.alice.user.pk} ({cast.alice.user.email})" in trail
    assert f"key:{issued.key.public_id} (PACS)" in trail
    register = text_of(operator.get(page(Disclosure, "changelist")))
    assert f"organization:{cast.general_hospital.pk} (General Hospital)" in register
    assert "read, store" in text_of(operator.get(page(ApiKey, "changelist")))
    keys_page = text_of(operator.get(page(ApiKey, "change", issued.key.pk)))
    assert "Organisation:" in keys_page and "read, store" in keys_page
    assert "when its day is over" in text_of(operator.get(page(Destruction, "changelist")))


@pytest.mark.parametrize("model", [model for model in OURS if model.__name__ not in NOT_SHOWN])
def test_columns_are_called_as_people_call_them(operator: Client, rf: Any, model: Any) -> None:  # Any: a model
    request, its_page = rf.get("/"), admin.site._registry[model]
    request.user = User.objects.get()
    names = {*its_page.get_list_display(request), *its_page.get_fields(request, model())}
    form = None if isinstance(its_page, ReadOnly) else its_page.get_form(request)()
    labels = [str(label_for_field(name, model, its_page, form=form)) for name in names]
    assert not [label for label in labels if re.search("organization|sop |crc32|uid|__|  ", label.replace("UID", ""))]


@pytest.mark.parametrize("model", [AuditEvent, ApiKey, Disclosure])
def test_a_longer_list_asks_no_more(
    cast: Cast, operator: Client, django_assert_max_num_queries: Any, model: Any
) -> None:  # Any: a fixture, a model
    operator.get(page(model, "changelist"))
    counts = []
    for _ in range(2):
        for _ in range(3):
            issued = credentials.issue_key(cast.st_elsewhere, name="PACS", scopes=["store"])
            who = authentication.authenticate_secret(issued.secret)
            audit.record(who, "key.use", organization_id=cast.st_elsewhere.pk)
            transfer = sealing.send([make_ct()], sender=cast.st_elsewhere, to=[cast.general_hospital])
            expiring.withdraw(cast.alice.who, transfer.pk)
        with django_assert_max_num_queries(30) as asked:
            operator.get(page(model, "changelist"))
        # Whether maintenance is on is looked up now and then, whatever the page.
        counts.append(sum("transfers_switch" not in query["sql"] for query in asked.captured_queries))
    assert counts[0] == counts[1]


def test_rows_have_names_and_forms_say_what_is_built(cast: Cast, operator: Client) -> None:
    membership = Membership.objects.filter(organization=cast.general_hospital).first()
    partnership = Partnership.objects.first()
    assert membership is not None and partnership is not None
    for row, name in (
        (cast.general_hospital, "General Hospital"),
        (membership, "General Hospital"),
        (partnership, " to "),
    ):
        text = operator.get(page(row, "change", row.pk)).content.decode()
        assert name in text.partition('<div class="breadcrumbs">')[2].partition("</div>")[0]
        assert not re.search(r"object \(\d+\)|dimse|ae_title|roads|LDAP", text)
    assert "LDAP" not in operator.get(page(User, "add")).content.decode()


def test_dates_are_in_24_hours_with_their_zone(cast: Cast, operator: Client) -> None:
    moment = datetime(2026, 3, 1, 20, 12, tzinfo=UTC)
    Transfer.objects.filter(pk=factories.make_transfer(cast.st_elsewhere).pk).update(created_at=moment)
    assert "2026-03-01 20:12 UTC" in operator.get(page(Transfer, "changelist")).content.decode()


def test_the_page_of_one_row_says_dates_and_nothing_as_a_list_does(operator: Client) -> None:
    job = make_job("dead")
    Job.objects.filter(pk=job.pk).update(due_at=datetime(2026, 3, 1, 20, 12, 9, tzinfo=UTC), row="")
    for path in (page(Job, "changelist"), page(Job, "change", job.pk)):
        said = text_of(operator.get(path))
        assert "2026-03-01 20:12 UTC" in said
        assert "None" not in said


def test_the_index_is_in_the_order_of_work(operator: Client) -> None:
    text = operator.get("/admin/").content.decode()
    places = [text.index(f">{name}</a>") for name in ("Organisations", "Users", "Memberships", "API keys", "Packs")]
    assert places == sorted(places)
    assert set(re.findall(r'href="(/admin/\w+/\w+/)"', text)) == {
        page(model, "changelist") for model in OURS if model.__name__ not in NOT_SHOWN
    }


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
