"""The history of a transfer names people, keys and readers, and what each was told."""

from typing import Any

import pytest
from django.utils import timezone

from accounts import audit, principals
from accounts.models import AuditEvent
from accounts.principals import Principal
from tests import factories, sealing
from tests.actors import Actor, Cast
from tests.exchange.portal.linking import FILE, text_of
from transfers import addressing
from transfers.models import Delivery, Transfer
from transfers.rules.lifecycle import State


@pytest.fixture
def transfer(cast: Cast) -> Transfer:
    return sealing.send([FILE], sender=cast.st_elsewhere, to=[cast.general_hospital])


def note(transfer: Transfer, who: Principal, action: str, **detail: Any) -> None:  # Any: JSON scalars
    audit.record(who, action, organization_id=transfer.sender_id, subject=f"transfer:{transfer.pk}", detail={**detail})


def timeline(actor: Actor, transfer: Transfer) -> str:
    return text_of(actor.client.get(f"/transfers/{transfer.pk}/")).partition("Timeline")[2]


def told(transfer: Transfer, audience: str, event: str, state: str = "sent") -> None:
    delivery = None if audience == "sender" else Delivery.objects.get().pk
    note(transfer, principals.system("worker"), f"notice.{state}", event=event, audience=audience, delivery=delivery)


@pytest.mark.parametrize(
    ("audience", "event", "state", "line"),
    [
        ("desk", "held:1790000000", "sent", "General Hospital told: held"),
        ("sender", "held:1790000000", "sent", "St Elsewhere told: held"),
        ("recipient", "available", "sent", "General Hospital told: it can be opened"),
        ("recipient", "available", "failed", "General Hospital could not be told: it can be opened"),
    ],
)
def test_a_notice_names_its_reader_and_what_it_says(
    cast: Cast, transfer: Transfer, audience: str, event: str, state: str, line: str
) -> None:
    told(transfer, audience, event, state)
    assert line in timeline(cast.alice, transfer)


def test_people_and_keys_are_called_by_name(cast: Cast, transfer: Transfer) -> None:
    note(transfer, cast.sender_store.who, "push.store")
    addressing.acknowledge(cast.bob.who, transfer.pk)
    text = timeline(cast.alice, transfer)
    assert "Images stored key “sender_store”, St Elsewhere" in text
    assert "Receipt confirmed: General Hospital Bob, General Hospital" in text
    assert "key:" not in text and "user:" not in text


def test_the_reader_of_a_link_is_called_so_and_the_exchange_nothing(cast: Cast, transfer: Transfer) -> None:
    note(transfer, Principal(kind="link", ident="link:7"), "link.opened")
    note(transfer, principals.system("worker"), "transfer.pass")
    text = timeline(cast.alice, transfer)
    assert "the reader of a link" in text
    assert "link:7" not in text and "system" not in text


def test_what_comes_again_at_once_is_said_once(cast: Cast, transfer: Transfer) -> None:
    for _ in range(3):
        timeline(cast.bob, transfer)
    assert "Studies looked up (3 times) Bob, General Hospital" in timeline(cast.alice, transfer)


def test_a_recipient_reads_of_nobody_else(cast: Cast, transfer: Transfer) -> None:
    factories.make_delivery(transfer, organization=cast.county_clinic)
    note(transfer, cast.alice.who, "transfer.extend")
    told(transfer, "sender", "held:1")
    text = timeline(cast.bob, transfer)
    assert "Extended" in text
    assert "Alice" not in text and "told" not in text and "County Clinic" not in text


def test_who_waits_for_a_held_one_is_not_said_to_be_forgotten(cast: Cast) -> None:
    transfer = factories.make_transfer(
        cast.st_elsewhere, to=[cast.general_hospital], state=State.HELD, state_changed_at=timezone.now()
    )
    page = text_of(cast.alice.client.get(f"/transfers/{transfer.pk}/"))
    assert "will be told once it is available" in page
    assert "not told yet" not in page


def test_ones_own_looking_does_not_bury_what_happened(cast: Cast, transfer: Transfer) -> None:
    for _ in range(3):
        timeline(cast.alice, transfer)
    assert "looked up" not in timeline(cast.alice, transfer)
    assert AuditEvent.objects.filter(action="study.search").count() == 4


def test_a_readers_looking_is_one_line_whatever_comes_between(cast: Cast, transfer: Transfer) -> None:
    for _ in range(2):
        timeline(cast.bob, transfer)
        note(transfer, cast.alice.who, "transfer.extend")
    text = timeline(cast.alice, transfer)
    assert "Studies looked up (2 times)" in text and text.count("looked up") == 1


def test_a_recipient_reads_its_own_answers(cast: Cast, transfer: Transfer) -> None:
    Delivery.objects.update(access="waiting")
    addressing.accept(cast.bob.who, transfer.pk)
    addressing.decline(cast.bob.who, transfer.pk, reason="Not ours")
    text = timeline(cast.bob, transfer)
    assert "Accepted" in text and "Declined" in text


def test_nobody_reads_the_answers_of_another_recipient(cast: Cast, transfer: Transfer) -> None:
    factories.make_delivery(transfer, organization=cast.strangers)
    addressing.decline(cast.bob.who, transfer.pk, reason="Not ours")
    assert "Declined" not in timeline(cast.mallory, transfer)
