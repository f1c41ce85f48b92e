"""A reader without an account is told of a withdrawal, and the address is kept for that mail alone."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from accounts.models import Organization
from accounts.principals import Place, Principal
from tests import smtp_server
from tests.smtp_server import Mailbox
from tests.transfers.notifying import post
from transfers import expiring, farewells, keys, notifying
from transfers.models import Delivery, Notification, Transfer
from transfers.rules.lifecycle import Access

pytestmark = pytest.mark.django_db

Sent = Callable[[], Transfer]


@pytest.fixture
def sent(mailbox: Mailbox, sender: Organization) -> Sent:
    def make() -> Transfer:
        # Purged on a day of its own, whose key a test may destroy.
        transfer = post.available(sender, lifetime=timedelta(days=1000))
        post.add_link(transfer)
        post.announce(transfer)
        return transfer

    return make


def withdraw(transfer: Transfer) -> None:
    place = Place(transfer.sender_id, None, frozenset({"manage"}))
    expiring.withdraw(Principal(kind="key", ident="key:t", places=(place,)), transfer.pk)


def test_who_had_the_link_is_told(mailbox: Mailbox, sent: Sent) -> None:
    transfer = sent()
    withdraw(transfer)
    notifying.announce_withdrawn(transfer.pk)
    post.send_all()
    mail = mailbox.messages[1]
    assert (mail["To"], mail["Subject"].split(":")[0]) == (post.READER, "Withdrawn")
    text = " ".join(smtp_server.body(mail).split())
    assert "The link in our earlier mail opens nothing any more." in text
    assert "/s/" not in text


def test_it_is_one_mail_under_one_message_id(mailbox: Mailbox, sent: Sent) -> None:
    withdraw(sent())
    notification = Notification.objects.get(event="withdrawn")
    post.send_all()
    post.send_all()
    assert [mail["Message-ID"] for mail in mailbox.messages[1:]] == [notification.message_id]


def test_the_address_is_sealed_until_it_is_sent_and_nowhere_afterwards(mailbox: Mailbox, sent: Sent) -> None:
    withdraw(sent())
    kept = bytes(Notification.objects.get(event="withdrawn").secret_record or b"")
    assert kept and post.READER.encode() not in kept
    assert Delivery.objects.get().email_record is None
    post.send_all()
    assert not Notification.objects.filter(secret_record__isnull=False).exists()


def test_what_could_not_be_sent_keeps_no_address(sent: Sent) -> None:
    withdraw(sent())
    notification = Notification.objects.get(event="withdrawn")
    notifying.give_up(notification.pk)
    notification.refresh_from_db()
    assert (notification.state, notification.secret_record) == ("failed", None)


def test_the_sender_is_told_of_whom_no_mail_reaches(mailbox: Mailbox, sent: Sent) -> None:
    withdraw(sent())
    notifying.give_up(Notification.objects.get(event="withdrawn").pk)
    post.send_all()
    text = " ".join(smtp_server.body(mailbox.messages[-1]).split())
    assert "It is no longer open, and they may not know that. Tell them by phone." in text
    assert "They can still" not in text and "they have no link" not in text


def test_the_address_ends_with_the_day_key(mailbox: Mailbox, sent: Sent) -> None:
    transfer = sent()
    withdraw(transfer)
    keys.destroy_day_key(transfer.day_key_id)
    post.send_all()
    notification = Notification.objects.get(event="withdrawn")
    assert (notification.state, notification.secret_record, len(mailbox.messages)) == ("failed", None, 1)


def test_a_withdrawal_does_not_fail_for_a_day_key_that_is_gone(sent: Sent) -> None:
    transfer = sent()
    keys.destroy_day_key(transfer.day_key_id)
    withdraw(transfer)
    transfer.refresh_from_db()
    assert transfer.wrapped_key is None
    assert not Notification.objects.filter(event="withdrawn").exists()


def test_who_never_got_the_link_is_told_nothing(mailbox: Mailbox, sender: Organization) -> None:
    transfer = post.available(sender)
    post.add_link(transfer)
    withdraw(transfer)
    assert not Notification.objects.exists()


def test_whose_link_was_taken_back_is_told_nothing(sent: Sent) -> None:
    transfer = sent()
    Delivery.objects.update(access=Access.REVOKED)
    assert farewells.prepare(transfer.pk) == []


def test_a_withdrawal_that_rolls_back_leaves_no_mail(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    transfer = sent()
    monkeypatch.setattr(keys, "append_destruction", _full_disk)
    with pytest.raises(OSError, match="full"):
        withdraw(transfer)
    assert not Notification.objects.filter(event="withdrawn").exists()
    assert Delivery.objects.get().email_record is not None


def _full_disk(_line: object) -> None:
    raise OSError("full")
