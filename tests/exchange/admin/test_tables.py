"""The admin: ids and states of every table, nothing of a patient, in words for people."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import label_for_field
from django.db.models import BinaryField
from django.test import Client
from django.utils import timezone

from accounts import audit, authentication, credentials
from accounts.administration import ReadOnly
from accounts.models import ApiKey, AuditEvent, Membership, Partnership, User
from tests import factories, sealing
from tests.actors import Cast
from tests.exchange.admin.pages import NOT_SHOWN, OURS, make_job, page
from tests.exchange.portal.linking import text_of
from tests.factories import make_ct
from transfers import expiring
from transfers.models import Destruction, Disclosure, Finding, Job, Transfer


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


def test_a_person_who_operates_nothing_is_refused(cast: Cast) -> None:
    response = cast.alice.client.get("/admin/", follow=True)
    assert response.status_code == 403
    assert "Your account may not do this" in response.content.decode()


def test_who_is_not_signed_in_signs_in_where_everybody_does(db: None) -> None:
    response = Client().get("/admin/", follow=True)
    assert response.redirect_chain[-1][0] == "/accounts/login/?next=/admin/"


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
