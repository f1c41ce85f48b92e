"""At which address, and what a mail server's answer changes."""

import socket
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models.functions import Now
from pytest_django import Settings

from accounts import principals
from accounts.models import AuditEvent, Membership, Organization
from tests import factories, smtp_server
from tests.smtp_server import Mailbox
from tests.transfers.notifying import post
from transfers import errors, notifying, transitions
from transfers.models import Delivery, Grant, Job, Notification
from transfers.rules.lifecycle import Access, Event, Notice, Reason, State

pytestmark = pytest.mark.django_db


def test_a_recipient_gets_one_mail(mailbox: Mailbox, sender: Organization, general: Organization) -> None:
    transfer = post.available(sender, general)
    post.announce(transfer)
    post.announce(transfer)
    mail = mailbox.only
    assert mail["To"] == "images@general.example"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == Notification.objects.get().message_id
    assert mail["Message-ID"].endswith("@exchange.example>")
    assert Delivery.objects.get().notice == Notice.SENT
    assert AuditEvent.objects.filter(action="notice.sent", organization=sender).count() == 1


def test_a_link_without_a_grant_is_not_delivered(mailbox: Mailbox, sender: Organization) -> None:
    transfer = post.available(sender)
    post.add_link(transfer)
    Grant.objects.update(revoked_at=Now())
    post.announce(transfer)
    assert Delivery.objects.get().notice == Notice.FAILED


@pytest.mark.parametrize("answer", ["550 no such user", "553 no"])
def test_a_refused_reader_has_bounced_and_the_sender_is_told(
    mailbox: Mailbox, sender: Organization, general: Organization, answer: str
) -> None:
    transfer = post.available(sender, general)
    mailbox.at_rcpt = [answer]
    post.announce(transfer)
    assert Delivery.objects.get().notice == Notice.BOUNCED
    assert mailbox.messages == []
    post.send_all()
    assert mailbox.readers == ["desk@st-elsewhere.example"]
    assert mailbox.only["Subject"] == f"Not delivered: the notice of your transfer {transfer.reference}"
    assert "General Hospital" in smtp_server.body(mailbox.only)


def test_a_mail_refused_for_good_has_failed(mailbox: Mailbox, sender: Organization, general: Organization) -> None:
    mailbox.at_data = ["554 not here"]
    post.announce(post.available(sender, general))
    assert Delivery.objects.get().notice == Notice.FAILED
    assert Notification.objects.get(audience="recipient").error == "The mail server refused it (554)."
    assert Job.objects.get(row=str(Notification.objects.get(audience="recipient").pk)).state == "done"


@pytest.mark.parametrize("place", ["at_rcpt", "at_data"])
def test_a_refusal_for_now_is_tried_again(
    mailbox: Mailbox, sender: Organization, general: Organization, place: str
) -> None:
    setattr(mailbox, place, ["451 later"])
    post.announce(post.available(sender, general))
    job = Job.objects.get()
    assert (job.state, job.error.partition(":")[0]) == ("waiting", "MailUnavailable")
    assert Delivery.objects.get().notice == Notice.PENDING
    Job.objects.update(due_at=Now() - timedelta(hours=1))
    post.send_all()
    assert Delivery.objects.get().notice == Notice.SENT
    assert Notification.objects.get().attempts == 2


def test_a_cut_behind_data_is_repeated_under_the_same_message_id(
    mailbox: Mailbox, sender: Organization, general: Organization
) -> None:
    mailbox.at_data = ["drop"]
    post.announce(post.available(sender, general))
    assert Delivery.objects.get().notice == Notice.PENDING
    Job.objects.update(due_at=Now() - timedelta(hours=1))
    post.send_all()
    assert len(mailbox.messages) == 2
    assert len({mail["Message-ID"] for mail in mailbox.messages}) == 1


def test_a_server_that_is_away_is_tried_again(settings: Settings, sender: Organization, general: Organization) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = unused.getsockname()
        notifying.announce_available(post.available(sender, general).pk)
        with pytest.raises(errors.Unavailable):
            notifying.send(Notification.objects.get().pk)


def test_a_place_without_an_address_reaches_its_people(mailbox: Mailbox, sender: Organization) -> None:
    clinic = factories.make_organization("clinic")
    for email, may_receive in (("b@clinic.example", True), ("a@clinic.example", True), ("c@clinic.example", False)):
        Membership.objects.create(user=post.make_user(email), organization=clinic, may_receive=may_receive)
    Membership.objects.create(
        user=post.make_user("gone@clinic.example", is_active=False), organization=clinic, may_receive=True
    )
    post.announce(post.available(sender, clinic))
    assert mailbox.readers == ["a@clinic.example", "b@clinic.example"]


def test_a_department_comes_before_its_organisation(mailbox: Mailbox, sender: Organization) -> None:
    clinic = factories.make_organization("clinic", notify_email="all@clinic.example")
    department = factories.make_department(clinic)
    department.notify_email = "radiology@clinic.example"
    department.save(update_fields=["notify_email"])
    transfer = post.available(sender)
    factories.make_delivery(transfer, organization=clinic, department=department)
    post.announce(transfer)
    assert mailbox.readers == ["radiology@clinic.example"]


def test_a_place_where_nobody_reads_is_told_to_the_sender(mailbox: Mailbox, sender: Organization) -> None:
    post.announce(post.available(sender, factories.make_organization("clinic")))
    post.send_all()
    assert Delivery.objects.get().notice == Notice.FAILED
    assert mailbox.readers == ["desk@st-elsewhere.example"]


@pytest.mark.parametrize("change", ["revoked", "withdrawn"])
def test_what_is_over_before_it_was_told_is_not_told(
    mailbox: Mailbox, sender: Organization, general: Organization, change: str
) -> None:
    transfer = post.available(sender, general)
    notifying.announce_available(transfer.pk)
    if change == "revoked":
        Delivery.objects.update(access=Access.REVOKED)
    else:
        transitions.apply(transfer.pk, Event.WITHDRAW, who=principals.system("test"))
    post.send_all()
    assert mailbox.messages == []
    assert Notification.objects.get().state == "dropped"


def test_a_hold_that_has_ended_is_not_told(mailbox: Mailbox, sender: Organization) -> None:
    transfer = factories.make_transfer(sender, state=State.HELD, reason=Reason.FINDINGS)
    notifying.announce_held(transfer.pk)
    transitions.apply(transfer.pk, Event.RELEASE, who=principals.system("test"))
    post.send_all()
    assert mailbox.messages == []


def test_by_default_a_mail_is_a_file(
    settings: Settings, tmp_path: Path, sender: Organization, general: Organization
) -> None:
    settings.EMAIL_BACKEND = "exchange.letterbox.Folder"
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail")
    post.announce(post.available(sender, general))
    (file,) = (tmp_path / "mail").iterdir()
    assert "images@general.example" in file.read_text()
