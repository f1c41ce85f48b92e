"""A link whose PIN or mail was lost is made anew; a link that wrong PINs have locked is told of to its sender."""

import secrets
from typing import Any

import pytest
from django.db.models.functions import Now

from tests import factories, smtp_server
from tests.actors import Cast, make_cast
from tests.smtp_server import Mailbox
from tests.transfers.notifying import post
from transfers import access, addressing, errors, notifying, tasks
from transfers.access import Verdict, pulling
from transfers.models import Delivery, Grant, Job, Notification, Transfer
from transfers.rules.lifecycle import Access, State

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return make_cast()


@pytest.fixture
def transfer(cast: Cast) -> Transfer:
    return post.available(cast.st_elsewhere)


def work() -> None:
    """Do what is written down to be done."""
    for job in Job.objects.filter(state="waiting").order_by("id"):
        tasks.run(job.pk)


def renew(cast: Cast, delivery: Delivery, **named: Any) -> str:  # Any: arguments
    (pin,) = addressing.renew_link(cast.alice.who, delivery.transfer_id, delivery.pk, **named)
    assert pin.email == post.READER
    return pin.pin


def token_in(mail: Any) -> str:  # Any: a message of the standard library
    return smtp_server.body(mail).partition("/s/")[2].partition("/")[0]


def open_link(token: str, pin: str) -> Verdict:
    link = access.resolve_link(token)
    assert link is not None
    return addressing.open_link(link.grant, pin)


def test_the_new_link_opens_with_the_new_pin(cast: Cast, transfer: Transfer, mailbox: Mailbox) -> None:
    delivery = post.add_link(transfer)
    pin = renew(cast, delivery)
    work()
    work()
    assert mailbox.readers == [post.READER]
    assert "A new link from St Elsewhere" in mailbox.only["Subject"]
    assert pin not in mailbox.only.as_string()
    assert open_link(token_in(mailbox.only), pin) == Verdict.OPENED


def test_the_earlier_link_is_over_at_once(cast: Cast, transfer: Transfer) -> None:
    delivery = post.add_link(transfer)
    renew(cast, delivery)
    assert open_link("a first one", "1") == Verdict.OVER
    assert delivery.grants.filter(revoked_at=None).count() == 1


def test_the_earlier_pin_does_not_open_the_new_link(cast: Cast, transfer: Transfer, mailbox: Mailbox) -> None:
    delivery = post.add_link(transfer)
    first = renew(cast, delivery)
    second = renew(cast, delivery)
    work()
    work()
    assert first != second
    assert open_link(token_in(mailbox.messages[-1]), first) == Verdict.WRONG


def test_a_running_pull_by_the_earlier_link_ends(cast: Cast, transfer: Transfer) -> None:
    delivery = post.add_link(transfer)
    grant = delivery.grants.get()
    lease = pulling.reserve_pull(grant.pk)
    renew(cast, delivery)
    with pytest.raises(errors.Gone):
        pulling.keep_pull(grant.pk, lease)


def test_a_locked_link_is_open_again_as_a_new_one(cast: Cast, transfer: Transfer, mailbox: Mailbox) -> None:
    delivery = post.add_link(transfer)
    delivery.grants.update(attempts=5, locked_at=Now())
    pin = renew(cast, delivery)
    work()
    work()
    assert open_link(token_in(mailbox.only), pin) == Verdict.OPENED
    assert not addressing.describe(cast.alice.who, transfer.pk).deliveries[0].is_link_locked


def test_how_often_it_may_be_pulled_begins_anew(cast: Cast, transfer: Transfer) -> None:
    delivery = post.add_link(transfer)
    delivery.grants.update(max_pulls=2, pulls_done=2)
    renew(cast, delivery)
    assert delivery.grants.filter(revoked_at=None).values_list("max_pulls", "pulls_done").get() == (2, 0)


def test_a_mail_that_has_not_gone_takes_no_dead_link_along(cast: Cast, transfer: Transfer, mailbox: Mailbox) -> None:
    delivery = post.add_link(transfer)
    notifying.announce_available(transfer.pk)
    pin = renew(cast, delivery)
    notifying.announce_renewed(delivery.pk)
    work()
    assert Notification.objects.get(event="available").state == "dropped"
    assert open_link(token_in(mailbox.only), pin) == Verdict.OPENED
    assert Delivery.objects.get().notice == "sent"


def test_before_it_is_available_the_first_mail_brings_the_link(cast: Cast, mailbox: Mailbox) -> None:
    transfer = factories.make_transfer(cast.st_elsewhere, state=State.VALIDATING, instance_count=40)
    pin = renew(cast, post.add_link(transfer))
    work()
    assert mailbox.messages == []
    Transfer.objects.update(state=State.AVAILABLE, available_at=Now())
    post.announce(transfer)
    assert open_link(token_in(mailbox.only), pin) == Verdict.OPENED


def test_who_has_an_account_needs_no_link(cast: Cast, transfer: Transfer) -> None:
    delivery = factories.make_delivery(transfer, organization=cast.general_hospital)
    with pytest.raises(errors.InvalidField, match="has an account"):
        renew(cast, delivery)


def test_what_was_taken_back_is_not_renewed(cast: Cast, transfer: Transfer) -> None:
    delivery = post.add_link(transfer)
    addressing.revoke(cast.alice.who, delivery.pk)
    with pytest.raises(errors.Conflict, match="revoked"):
        renew(cast, delivery)


def test_a_delivery_of_another_transfer_is_none_of_this_one(cast: Cast, transfer: Transfer) -> None:
    other = post.add_link(post.available(cast.st_elsewhere))
    with pytest.raises(errors.InvalidField, match="no such delivery"):
        addressing.renew_link(cast.alice.who, transfer.pk, other.pk)


def test_nobody_but_the_sender_renews_it(cast: Cast, transfer: Transfer) -> None:
    factories.make_delivery(transfer, organization=cast.general_hospital)
    delivery = post.add_link(transfer)
    with pytest.raises(errors.Forbidden):
        addressing.renew_link(cast.bob.who, transfer.pk, delivery.pk)
    with pytest.raises(errors.NotFound):
        addressing.renew_link(cast.mallory.who, transfer.pk, delivery.pk)


# Locked


def lock(grant: Grant) -> None:
    for _ in range(grant.max_attempts):
        grant.refresh_from_db()
        addressing.open_link(grant, "00000000")


def test_the_sender_is_told_once_that_a_link_is_locked(cast: Cast, transfer: Transfer, mailbox: Mailbox) -> None:
    grant = post.add_link(transfer).grants.get()
    lock(grant)
    grant.refresh_from_db()
    assert addressing.open_link(grant, "1") == Verdict.LOCKED
    work()
    work()
    assert f"Locked: a link to your transfer {transfer.reference}" in mailbox.only["Subject"]
    assert mailbox.readers == ["alice@st-elsewhere.example"]
    assert post.READER not in mailbox.only.as_string()


def test_a_link_that_was_renewed_meanwhile_is_not_told_of(cast: Cast, transfer: Transfer, mailbox: Mailbox) -> None:
    delivery = post.add_link(transfer)
    lock(delivery.grants.get())
    notifying.announce_locked(delivery.grants.get().pk)
    renew(cast, delivery)
    work()
    assert Notification.objects.get(event__startswith="locked:").state == "dropped"
    assert not [mail for mail in mailbox.messages if "Locked" in mail["Subject"]]


def test_four_wrong_pins_tell_nobody(cast: Cast, transfer: Transfer) -> None:
    grant = post.add_link(transfer).grants.get()
    for _ in range(4):
        addressing.open_link(grant, secrets.token_hex(4))
    assert not Job.objects.filter(event="link.locked").exists()
    assert Delivery.objects.get().access == Access.OPEN
