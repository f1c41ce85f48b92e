"""Who is told of what, and in which words."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models.functions import Now
from pytest_django import Settings

from accounts import principals
from accounts.models import Membership, Organization
from tests import factories, smtp_server
from tests.smtp_server import Mailbox
from tests.transfers.notifying import post
from transfers import access, notifying, transitions
from transfers.expiring import destroying
from transfers.models import Delivery, Grant, Instance, Notification, Switch, Transfer
from transfers.rules.lifecycle import Access, Event, Progress, Reason, State

pytestmark = pytest.mark.django_db


def test_a_mail_says_what_a_clerk_needs(mailbox: Mailbox, sender: Organization, general: Organization) -> None:
    transfer = post.available(sender, general, available_until=post.UNTIL, purge_at=post.UNTIL + timedelta(days=14))
    post.announce(transfer)
    text = " ".join(smtp_server.body(mailbox.only).split())
    for words in (
        "St Elsewhere has sent General Hospital 40 images.",
        transfer.reference,
        "Wednesday 3 October 2131, 14:05 (Europe/Zurich)",
        "Call St Elsewhere on +41 44 100",
        "https://exchange.example/",
    ):
        assert words in text
    assert "URGENT" not in mailbox.only["Subject"]


def test_one_image_is_spoken_of_as_one(mailbox: Mailbox, sender: Organization, general: Organization) -> None:
    transfer = post.available(sender, general)
    Transfer.objects.filter(pk=transfer.pk).update(instance_count=1)
    transfer.refresh_from_db()
    post.announce(transfer)
    text = " ".join(smtp_server.body(mailbox.only).split())
    assert "1 image." in text and "You can open it until" in text


def test_both_bodies_say_the_same(mailbox: Mailbox, sender: Organization, general: Organization) -> None:
    Organization.objects.filter(pk=sender.pk).update(name="Cook & Sons <Radiology>\nBcc: x@y.example")
    sender.refresh_from_db()
    post.announce(post.available(sender, general))
    assert "Cook & Sons <Radiology> Bcc: x@y.example" in mailbox.only["Subject"]
    assert "Cook & Sons <Radiology>" in smtp_server.body(mailbox.only)
    assert "Cook &amp; Sons &lt;Radiology&gt;" in smtp_server.body(mailbox.only, "html")
    assert mailbox.only["Bcc"] is None


def test_an_urgent_transfer_is_marked(mailbox: Mailbox, sender: Organization, general: Organization) -> None:
    post.announce(post.available(sender, general, urgency="urgent"))
    assert mailbox.only["Subject"].startswith("URGENT: ")
    assert mailbox.only["Importance"] == "high"


def test_nothing_of_the_patient_is_in_a_mail(mailbox: Mailbox, sender: Organization, general: Organization) -> None:
    transfer = factories.make_transfer(sender, to=[general], state=State.AVAILABLE)
    instance = factories.store_instance(transfer, factories.make_ct(PatientName="Canary^Yellow", PatientID="P-77"))
    transfer.message_record = factories.key_of(transfer).seal("message", "", b"for Mrs Canary")
    transfer.save(update_fields=["message_record"])
    post.add_link(transfer)
    post.announce(transfer)
    assert len(mailbox.messages) == 2
    for mail in mailbox.messages:
        written = mail.as_string() + smtp_server.body(mail) + smtp_server.body(mail, "html")
        for secret in ("Canary", "P-77", instance.sop_instance_uid, "CT ", "A-1", "19600704"):
            assert secret not in written


def test_a_link_arrives_and_its_secret_stays_nowhere_else(mailbox: Mailbox, sender: Organization) -> None:
    transfer = post.available(sender)
    post.add_link(transfer)
    notifying.announce_available(transfer.pk)
    assert Notification.objects.get().secret_record is not None
    post.send_all()
    text = smtp_server.body(mailbox.only)
    token = text.partition("https://exchange.example/s/")[2].partition("/")[0]
    link = access.resolve_link(token)
    assert link is not None
    assert link.is_open
    assert mailbox.readers == [post.READER]
    assert f'href="https://exchange.example/s/{token}/"' in smtp_server.body(mailbox.only, "html")
    assert Notification.objects.get().secret_record is None


def test_a_secret_that_was_made_before_is_used(mailbox: Mailbox, sender: Organization) -> None:
    transfer = post.available(sender)
    delivery = post.add_link(transfer)
    sealed = factories.key_of(transfer).seal("notification", "<made@before>", b"a-first-one")
    Notification.objects.create(
        transfer=transfer,
        delivery=delivery,
        event="available",
        audience="recipient",
        message_id="<made@before>",
        secret_record=sealed,
        created_at=Now(),
    )
    post.announce(transfer)
    assert "/s/a-first-one/" in smtp_server.body(mailbox.only)
    assert mailbox.only["Message-ID"] == "<made@before>"


def test_a_person_is_told_in_their_own_time_zone(mailbox: Mailbox, sender: Organization) -> None:
    transfer = post.available(sender, available_until=post.UNTIL, purge_at=post.UNTIL + timedelta(days=14))
    factories.make_delivery(transfer, user=post.make_user("dr@home.example", time_zone="Asia/Tokyo"))
    post.announce(transfer)
    assert "21:05 (Asia/Tokyo)" in " ".join(smtp_server.body(mailbox.only).split())


def test_what_waits_for_acceptance_is_asked_first_and_told_later(
    mailbox: Mailbox, sender: Organization, general: Organization
) -> None:
    transfer = post.available(sender)
    delivery = factories.make_delivery(transfer, organization=general, access=Access.WAITING)
    post.announce(transfer)
    assert "asks you to accept" in mailbox.only["Subject"]
    Delivery.objects.update(access=Access.OPEN)
    notifying.announce_delivery(delivery.pk)
    post.send_all()
    assert [mail["Subject"].split()[0] for mail in mailbox.messages] == ["St", "Images"]


def test_nobody_is_told_of_a_delivery_before_it_is_available(sender: Organization, general: Organization) -> None:
    transfer = factories.make_transfer(sender, to=[general], state=State.RECEIVING)
    notifying.announce_delivery(transfer.deliveries.get().pk)
    notifying.announce_available(transfer.pk)
    assert not Notification.objects.exists()


def test_a_hold_is_told_to_sender_and_desk(mailbox: Mailbox, sender: Organization, general: Organization) -> None:
    transfer = factories.make_transfer(sender, to=[general], state=State.HELD, reason=Reason.FINDINGS)
    for code in ("two-patients", "incomplete"):
        transfer.findings.create(code=code, grade="stop", created_at=Now())
    notifying.announce_held(transfer.pk)
    post.send_all()
    told = {mail["To"]: smtp_server.body(mail) for mail in mailbox.messages}
    assert set(told) == {"desk@st-elsewhere.example", "images@general.example"}
    assert "2 findings need a person's" in " ".join(told["desk@st-elsewhere.example"].split())
    assert "two-patients" not in "".join(told.values())


@pytest.mark.parametrize("reason", [Reason.FAILED, Reason.WAITING])
def test_each_reason_of_a_hold_has_its_words(mailbox: Mailbox, sender: Organization, reason: Reason) -> None:
    transfer = factories.make_transfer(sender, state=State.HELD, reason=reason)
    notifying.announce_held(transfer.pk)
    post.send_all()
    words = {Reason.FAILED: "could not be checked", Reason.WAITING: "waits, as you asked"}[reason]
    assert words in " ".join(smtp_server.body(mailbox.only).split())


def test_each_hold_is_told_once(sender: Organization) -> None:
    transfer = factories.make_transfer(sender, state=State.HELD, reason=Reason.FINDINGS)
    for moment in (0, 0, 60):
        Transfer.objects.update(state_changed_at=datetime(2131, 1, 1, tzinfo=UTC) + timedelta(seconds=moment))
        notifying.announce_held(transfer.pk)
    assert Notification.objects.count() == 2


def test_a_rejection_goes_to_the_person_who_sent(mailbox: Mailbox, sender: Organization) -> None:
    person = post.make_user("mtra@st-elsewhere.example")
    transfer = factories.make_transfer(sender, state=State.REJECTED, sender_user=person)
    notifying.announce_rejected(transfer.pk)
    post.send_all()
    assert mailbox.only["To"] == person.email


def test_a_withdrawal_is_told_to_those_who_had_it(
    mailbox: Mailbox, sender: Organization, general: Organization
) -> None:
    transfer = post.available(sender, general)
    factories.make_delivery(transfer, organization=factories.make_organization("refused"), access=Access.REVOKED)
    post.add_link(transfer)
    who = principals.system("test")
    transitions.apply(transfer.pk, Event.WITHDRAW, who=who)
    destroying.destroy(transfer.pk, who=who)
    notifying.announce_withdrawn(transfer.pk)
    post.send_all()
    assert mailbox.readers == ["images@general.example"]
    assert mailbox.only["Subject"].startswith("Withdrawn:")


def test_what_lapsed_and_is_destroyed_again_is_not_called_withdrawn(
    sender: Organization, general: Organization
) -> None:
    transfer = post.available(sender, general)
    who = principals.system("test")
    transitions.apply(transfer.pk, Event.WITHDRAW, who=who)
    destroying.destroy(transfer.pk, who=who, reason=Reason.LAPSED)
    notifying.announce_withdrawn(transfer.pk)
    assert not Notification.objects.exists()


def test_a_rejection_note_is_told_each_time_it_hides_more(
    mailbox: Mailbox, sender: Organization, general: Organization
) -> None:
    transfer = factories.make_transfer(sender, to=[general], state=State.AVAILABLE)
    stored = factories.store_instances(transfer, [factories.make_ct(), factories.make_ct()])
    for instance in stored:
        Instance.objects.filter(pk=instance.pk).update(rejected_by="113001")
        for _ in range(2):
            notifying.announce_rejections(transfer.pk)
            post.send_all()
    told = [" ".join(smtp_server.body(mail).split()) for mail in mailbox.messages]
    assert ["marked 1 image of" in told[0], "marked 2 images of" in told[1], len(told)] == [True, True, 2]


@pytest.mark.parametrize(("progress", "told"), [(Progress.OPENED, 1), (Progress.PULLED, 0)])
def test_a_lapse_is_told_where_somebody_has_not_fetched(
    sender: Organization, general: Organization, progress: Progress, told: int
) -> None:
    transfer = post.available(sender, general)
    Delivery.objects.update(progress=progress)
    Transfer.objects.update(state=State.CLOSED, reason=Reason.LAPSED)
    notifying.announce_lapsed(transfer.pk)
    assert Notification.objects.filter(audience="sender").count() == told


def test_a_lapse_is_a_mail_to_the_sender(mailbox: Mailbox, sender: Organization, general: Organization) -> None:
    transfer = post.available(sender, general)
    Transfer.objects.update(state=State.CLOSED, reason=Reason.LAPSED)
    notifying.announce_lapsed(transfer.pk)
    post.send_all()
    assert mailbox.only["Subject"].startswith("Not fetched in time:")


def test_a_reopening_is_told_with_the_earlier_link(mailbox: Mailbox, sender: Organization) -> None:
    transfer = post.available(sender)
    post.add_link(transfer)
    post.announce(transfer)
    digest = bytes(Grant.objects.get().token_digest)
    notifying.announce_reopened(transfer.pk)
    post.send_all()
    assert "The link in our earlier mail works again" in " ".join(smtp_server.body(mailbox.messages[1]).split())
    assert bytes(Grant.objects.get().token_digest) == digest


def test_a_decline_is_told_without_its_reason(mailbox: Mailbox, sender: Organization, general: Organization) -> None:
    transfer = post.available(sender)
    delivery = factories.make_delivery(transfer, organization=general, access=Access.DECLINED)
    notifying.announce_declined(delivery.pk)
    post.send_all()
    assert "General Hospital has declined" in smtp_server.body(mailbox.only)


def test_a_follow_up_says_what_it_adds_and_replaces(
    mailbox: Mailbox, sender: Organization, general: Organization
) -> None:
    earlier = factories.make_transfer(sender, to=[general], state=State.AVAILABLE)
    uid = factories.make_uid()
    factories.store_instance(earlier, factories.make_ct(SOPInstanceUID=uid))
    later = factories.make_transfer(sender, to=[general], state=State.AVAILABLE, follows=earlier)
    factories.store_instances(later, [factories.make_ct(SOPInstanceUID=uid), factories.make_ct(), factories.make_ct()])
    post.announce(later)
    text = " ".join(smtp_server.body(mailbox.only).split())
    assert f"This is a follow-up of {earlier.reference}: it adds 2 images and replaces 1 image of what" in text


def test_a_follow_up_that_is_a_document_says_so(mailbox: Mailbox, sender: Organization, general: Organization) -> None:
    earlier = factories.make_transfer(sender, to=[general], state=State.AVAILABLE)
    later = factories.make_transfer(sender, to=[general], state=State.AVAILABLE, follows=earlier)
    factories.store_document(later, b"a report")
    post.announce(later)
    text = " ".join(smtp_server.body(mailbox.only).split())
    assert f"This is a follow-up of {earlier.reference}: it adds 1 document." in text


@pytest.mark.parametrize("same", [True, False])
def test_a_reader_is_told_which_pin_opens_a_follow_up(mailbox: Mailbox, sender: Organization, same: bool) -> None:
    earlier = post.available(sender)
    post.add_link(earlier)
    if not same:
        Grant.objects.update(pin_digest=b"another")
    later = post.available(sender, follows=earlier)
    delivery = post.add_link(later, token="another one")
    assert delivery.grants.get().pin_digest is not None
    post.announce(later)
    text = " ".join(smtp_server.body(mailbox.only).split())
    assert (f"asks for the PIN that you were told for {earlier.reference}." in text) == same
    assert ("a PIN of eight digits, which St Elsewhere tells you" in text) != same


def test_a_desk_is_told_whom_to_call_and_where_to_look(
    mailbox: Mailbox, sender: Organization, general: Organization
) -> None:
    transfer = factories.make_transfer(sender, to=[general], state=State.HELD, reason=Reason.FINDINGS)
    notifying.announce_held(transfer.pk)
    post.send_all()
    mail = next(mail for mail in mailbox.messages if mail["To"] == "images@general.example")
    text = " ".join(smtp_server.body(mail).split())
    assert "Nothing of it can be opened yet." in text
    assert "call the desk of St Elsewhere" in text and "+41 44 100" in text and transfer.reference in text
    assert f"https://exchange.example/transfers/{transfer.pk}/" in text


def test_a_full_quota_is_told_to_both_administrators_once(
    mailbox: Mailbox, settings: Settings, sender: Organization
) -> None:
    settings.OPERATOR_EMAIL = "operator@exchange.example"
    Membership.objects.create(
        user=post.make_user("admin@st-elsewhere.example"), organization=sender, may_administer=True
    )
    for _ in range(2):
        notifying.warn_quota(sender.pk, 80)
        post.send_all()
    assert sorted(mailbox.readers) == ["admin@st-elsewhere.example", "operator@exchange.example"]
    assert mailbox.messages[0]["Subject"] == "80 per cent of the limit of St Elsewhere are used"


def test_a_braked_purge_alarms_the_operator(mailbox: Mailbox, settings: Settings) -> None:
    settings.OPERATOR_EMAIL = "operator@exchange.example"
    Switch.objects.create(name="purge-brake", is_on=True, note="The clocks differ by 7 minutes.", since=Now())
    notifying.alarm_operators("purge-brake")
    post.send_all()
    assert "The clocks differ by 7 minutes." in smtp_server.body(mailbox.only)
