"""How a transfer stands is told truly to each side: badges, ends, what was pulled, who released what."""

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, Department, Organization
from tests import factories, sealing
from tests.actors import Actor, Cast
from tests.exchange.portal.linking import FILE, Answer, text_of
from transfers import addressing, expiring
from transfers.models import Delivery, Finding, Transfer
from transfers.rules.lifecycle import Access, Reason, State


@pytest.fixture
def transfer(cast: Cast) -> Transfer:
    return sealing.send([FILE], sender=cast.st_elsewhere, to=[cast.general_hospital])


def html(actor: Actor, transfer: Transfer) -> str:
    return actor.client.get(f"/transfers/{transfer.pk}/").content.decode()


def show(actor: Actor, transfer: Transfer) -> str:
    return text_of(actor.client.get(f"/transfers/{transfer.pk}/"))


def api(actor: Actor, transfer: Transfer) -> Any:  # Any: JSON
    return actor.client.get(f"/api/transfers/{transfer.pk}/").json()


# Badges


@pytest.mark.parametrize(
    ("access", "to_sender", "to_recipient"),
    [
        (Access.OPEN, "Available", "Available"),
        (Access.WAITING, "Waits for acceptance", "Waits for your answer"),
        (Access.DECLINED, "Declined", "Declined"),
    ],
)
def test_each_side_has_its_badge(
    cast: Cast, transfer: Transfer, access: Access, to_sender: str, to_recipient: str
) -> None:
    Delivery.objects.update(access=access)
    for actor, word in ((cast.alice, to_sender), (cast.bob, to_recipient)):
        page = html(actor, transfer)
        assert f">{word}</span>" in page
        assert ('class="tag available"' in page) == (access == Access.OPEN)


@pytest.mark.parametrize(
    ("access", "to_sender", "to_recipient"),
    [
        (Access.OPEN, "Available", "Available"),
        (Access.WAITING, "Waits for acceptance", "Waits for your answer"),
        (Access.DECLINED, "Declined", "Declined"),
    ],
)
def test_the_lists_have_the_same_badges(
    cast: Cast, transfer: Transfer, access: Access, to_sender: str, to_recipient: str
) -> None:
    Delivery.objects.update(access=access)
    for page, word in ((cast.alice.client.get("/sent/"), to_sender), (cast.bob.client.get("/"), to_recipient)):
        assert f">{word}</span>" in page.content.decode()
        assert ('class="tag available"' in page.content.decode()) == (access == Access.OPEN)


def test_it_is_available_while_one_recipient_can_open_it(cast: Cast, transfer: Transfer) -> None:
    factories.make_delivery(transfer, organization=cast.county_clinic, access=Access.DECLINED)
    assert 'class="tag available"' in html(cast.alice, transfer)


def test_who_declined_reads_when_why_and_what_is_left(cast: Cast, transfer: Transfer) -> None:
    addressing.decline(cast.bob.who, transfer.pk, reason="Not our patient")
    text = show(cast.bob, transfer)
    at = AuditEvent.objects.get(action="delivery.decline").at
    assert f"declined on {at:%A} {at.day} {at:%B %Y, %H:%M} UTC" in text
    assert ": Not our patient" in text
    assert "Available until" not in text
    assert "if you need it after all, ask the sender" in text
    assert "the recipient has declined it: nobody can open it" in show(cast.alice, transfer)


def test_another_recipient_does_not_read_the_reason(cast: Cast, transfer: Transfer) -> None:
    addressing.decline(cast.bob.who, transfer.pk, reason="Not our patient")
    factories.make_delivery(transfer, organization=cast.strangers)
    assert "Not our patient" not in show(cast.mallory, transfer)


# Ends


def test_of_a_withdrawn_one_no_later_end_is_told(cast: Cast, transfer: Transfer) -> None:
    expiring.withdraw(cast.alice.who, transfer.pk)
    for actor in (cast.alice, cast.bob):
        text = show(actor, transfer)
        assert "vailable until" not in text
        told = api(actor, transfer)
        assert told["available_until"] == told["closed_at"]
        assert [one["access_now"] for one in told["deliveries"]] == ["ended"]


def test_of_one_whose_time_is_over_the_end_stays(cast: Cast, transfer: Transfer) -> None:
    sealing.lapse(transfer)
    assert "Was available until" in show(cast.bob, transfer)
    assert api(cast.bob, transfer)["deliveries"][0]["access_now"] == "ended"


def test_a_list_tells_the_same_access(cast: Cast, transfer: Transfer) -> None:
    assert cast.bob.client.get("/api/transfers/").json()["results"][0]["own"]["access_now"] == "open"
    expiring.withdraw(cast.alice.who, transfer.pk)
    (listed,) = cast.bob.client.get("/api/transfers/").json()["results"]
    assert listed["own"]["access_now"] == "ended"
    transfer.refresh_from_db()
    assert transfer.closed_at is not None and transfer.closed_at < transfer.available_until
    assert listed["available_until"] == api(cast.bob, transfer)["closed_at"]


# What was done with it


def test_opening_the_page_opens_the_delivery_once(cast: Cast, transfer: Transfer) -> None:
    show(cast.alice, transfer)
    assert Delivery.objects.get().progress == "none"
    for _ in range(2):
        assert "opened, nothing pulled yet" in show(cast.bob, transfer)
    delivery = Delivery.objects.get()
    assert (delivery.progress, delivery.opened_at is None) == ("opened", False)
    assert AuditEvent.objects.filter(action="delivery.open").count() == 1
    assert "Opened: General Hospital Bob, General Hospital" in show(cast.alice, transfer)


def test_a_stranger_and_who_has_not_accepted_open_nothing(cast: Cast, transfer: Transfer) -> None:
    Delivery.objects.update(access=Access.WAITING)
    show(cast.bob, transfer)
    show(cast.mallory, transfer)
    assert Delivery.objects.get().progress == "none"


def test_documents_are_counted_too(cast: Cast, transfer: Transfer) -> None:
    factories.store_document(transfer, b"a report")
    assert "0 of 1 image and 0 of 1 document" in show(cast.alice, transfer)
    sentence = api(cast.alice, transfer)["deliveries"][0]["pulled"]["sentence"]
    assert sentence == "0 of 1 image and 0 of 1 document pulled"
    response: Answer = cast.bob.client.get(f"/transfers/{transfer.pk}/download/")
    b"".join(response.streaming_content)
    assert "pulled 1 of 1 image and 1 of 1 document" in show(cast.bob, transfer)


def test_a_department_without_a_phone_has_that_of_its_hospital(cast: Cast) -> None:
    hospital: Organization = cast.general_hospital
    department = Department.objects.create(organization=hospital, slug="radiology", name="Radiology")
    transfer = factories.make_transfer(cast.st_elsewhere, state=State.AVAILABLE)
    factories.make_delivery(transfer, organization=hospital, department=department)
    (delivery,) = api(cast.alice, transfer)["deliveries"]
    assert delivery["recipient"]["phone"] == hospital.desk_phone
    assert hospital.desk_phone in show(cast.alice, transfer).partition("Recipients")[2]


# Findings and holds


def test_a_released_finding_says_who_let_it_go_and_asks_for_nothing(cast: Cast, transfer: Transfer) -> None:
    sentence = (
        "This transfer holds the images of several patients (2): Doe, Roe. Send one transfer for each, or release it "
        "with a note if they are the same person."
    )
    finding = Finding.objects.create(
        transfer=transfer, code="identity-conflict", grade="stop", created_at=timezone.now()
    )
    finding.record = factories.key_of(transfer).seal("finding", finding.sealed_row, sentence.encode())
    finding.save()
    assert "Send one transfer for each" in show(cast.alice, transfer)
    Finding.objects.update(released_at=timezone.now(), released_by=cast.alice.who.ident)
    text = show(cast.alice, transfer)
    assert "Released This transfer holds the images of several patients (2): Doe, Roe." in text
    assert "Released by Alice, St Elsewhere on" in text
    assert "Send one transfer for each" not in text
    assert 'class="tag stop"' not in html(cast.alice, transfer)
    assert "Alice" not in show(cast.bob, transfer)


@pytest.fixture
def held(cast: Cast) -> Transfer:
    transfer = sealing.send([FILE], sender=cast.st_elsewhere, to=[cast.general_hospital], state=State.HELD)
    Transfer.objects.filter(pk=transfer.pk).update(reason=Reason.FINDINGS, available_at=None)
    transfer.refresh_from_db()
    return transfer


def test_a_desk_reads_that_it_is_held_and_whom_to_call(cast: Cast, held: Transfer) -> None:
    response = cast.bob.client.get(f"/transfers/{held.pk}/")
    text = text_of(response)
    assert response.status_code == 200
    for words in ("Held", held.reference, "St Elsewhere", "the sender has to decide", "+44 20 7946 0000"):
        assert words in text
    assert "Canary" not in text and "1 image" not in text


def test_nobody_else_learns_that_it_is_held(cast: Cast, held: Transfer) -> None:
    assert cast.mallory.client.get(f"/transfers/{held.pk}/").status_code == 404
    Delivery.objects.update(access=Access.WAITING)
    assert cast.bob.client.get(f"/transfers/{held.pk}/").status_code == 404


@pytest.mark.parametrize("state", [State.DRAFT, State.RECEIVING, State.VALIDATING])
def test_what_is_not_held_is_not_announced(cast: Cast, held: Transfer, state: State) -> None:
    Transfer.objects.filter(pk=held.pk).update(state=state)
    assert cast.bob.client.get(f"/transfers/{held.pk}/").status_code == 404


def test_a_held_one_stays_closed_to_programs_and_downloads(cast: Cast, held: Transfer) -> None:
    assert cast.recipient_read.client.get(f"/api/transfers/{held.pk}/").status_code == 404
    assert cast.bob.client.get(f"/transfers/{held.pk}/download/").status_code == 404


def test_its_sender_is_told_to_decide(cast: Cast, held: Transfer) -> None:
    assert "read the findings, then decide" in show(cast.alice, held)


def test_the_sex_is_called_so(cast: Cast) -> None:
    file = factories.make_ct(PatientName="Canary^Yellow", PatientSex="O")
    transfer = sealing.send([file], sender=cast.st_elsewhere, to=[cast.general_hospital])
    assert "sex other" in show(cast.bob, transfer)
