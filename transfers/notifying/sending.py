"""Send one mail, and say truly whether it went.

A refusal for good (RFC 5321 Section 4.2.1, 5yz) is told to the sender of the transfer at once; anything else that
goes wrong is tried again. After a connection that broke behind DATA nobody knows: the repeat carries the same
Message-ID, by which a mailbox knows it for the same (RFC 5322 Section 3.6.4).
"""

import smtplib
from dataclasses import dataclass

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from accounts import audit, principals
from transfers import errors
from transfers.models import Delivery, Grant, Notification, Transfer
from transfers.notifying import announcing, letters, readers
from transfers.rules.lifecycle import Access, Notice, State

_ABOUT_AVAILABLE = ("available", "re-opened", "renewed", "waiting")


class MailUnavailable(errors.Unavailable):
    sentence = "The mail server does not take mail at the moment."


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What a server, or we ourselves, will never change: how it shows at the delivery, and why."""

    notice: Notice
    sentence: str


def send(notification_id: int) -> None:
    """Send a pending notification; sent, failed or dropped ones are left alone.

    Raises Unavailable where it may go later.
    """
    Notification.objects.filter(pk=notification_id, state="pending").update(attempts=F("attempts") + 1)
    notification = _pending(notification_id)
    if notification is None:
        return
    if _is_moot(notification):
        _settle(notification, "dropped", error="It was no longer so when it was to be sent.")
        return
    refusal = _post(notification)
    if refusal is None:
        _succeed(notification)
    else:
        _refuse(notification, refusal)


def give_up(notification_id: int) -> None:
    """What follows when a mail could not be sent in all its attempts; in the transaction that marks the job dead."""
    if notification := _pending(notification_id):
        _refuse(notification, _Refusal(Notice.FAILED, "It could not be sent in all its attempts."))


def _pending(notification_id: int) -> Notification | None:
    return (
        Notification.objects.select_related(
            "transfer__sender",
            "transfer__sender_department",
            "transfer__sender_user",
            "transfer__follows",
            "delivery__organization",
            "delivery__department__organization",
            "delivery__user",
            "organization",
        )
        .filter(pk=notification_id, state="pending")
        .first()
    )


def _is_moot(notification: Notification) -> bool:
    """Whether what it says is over: nobody is told of images that cannot be fetched, or of a hold that has ended."""
    kind, _, moment = notification.event.partition(":")
    transfer, delivery = notification.transfer, notification.delivery
    if transfer is None:
        return False
    if kind == "held":
        return transfer.state != State.HELD or int(transfer.state_changed_at.timestamp()) != int(moment)
    if kind == "locked":
        return not Grant.objects.filter(pk=moment, revoked_at=None).exists()
    if kind not in _ABOUT_AVAILABLE or delivery is None:
        return False
    wanted = Access.WAITING if kind == "waiting" else Access.OPEN
    is_open = Transfer.objects.filter(pk=transfer.pk, state=State.AVAILABLE, available_until__gt=Now()).exists()
    return delivery.access != wanted or not is_open


def _post(notification: Notification) -> _Refusal | None:
    try:
        found = readers.of(notification)
        if not found.addresses:
            return _Refusal(Notice.FAILED, "No address is known at which this reader can be told.")
        message = _compose(notification, found)
    except errors.NotFound as error:
        return _Refusal(Notice.FAILED, error.sentence)
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        return _refused([code for code, _ in error.recipients.values()], Notice.BOUNCED)
    except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
        return _refused([error.smtp_code], Notice.FAILED)
    except (smtplib.SMTPException, OSError) as error:
        raise MailUnavailable from error
    return None


def _compose(notification: Notification, found: readers.Readers) -> EmailMultiAlternatives:
    letter = letters.write(notification, time_zone=found.time_zone)
    headers = {
        "Message-ID": notification.message_id,
        "Auto-Submitted": "auto-generated",  # RFC 3834 Section 5
        "X-Auto-Response-Suppress": "All",
    }
    if letter.is_urgent:
        headers["Importance"] = "high"
    message = EmailMultiAlternatives(
        letter.subject, letter.text, to=list(found.addresses), headers=headers, connection=get_connection()
    )
    message.attach_alternative(letter.html, "text/html")
    return message


def _refused(codes: list[int], notice: Notice) -> _Refusal:
    """A permanent refusal; raises Unavailable where one of the codes leaves hope."""
    if any(code < 500 for code in codes):
        raise MailUnavailable
    return _Refusal(notice, f"The mail server refused it ({', '.join(str(code) for code in sorted(set(codes)))}).")


def _succeed(notification: Notification) -> None:
    with transaction.atomic():
        if _settle(notification, "sent"):
            _show(notification, Notice.SENT)


def _refuse(notification: Notification, refusal: _Refusal) -> None:
    with transaction.atomic():
        if _settle(notification, "failed", error=refusal.sentence):
            _show(notification, refusal.notice)
            announcing.announce_undelivered(notification)


def _settle(notification: Notification, state: str, *, error: str = "") -> bool:
    """Leave pending once and for all; the link's secret is nowhere any more but in the mail."""
    with transaction.atomic():
        settled = Notification.objects.filter(pk=notification.pk, state="pending").update(
            state=state, error=error, secret_record=None, sent_at=Now() if state == "sent" else None
        )
        if settled:
            _audit(notification, state)
    return bool(settled)


def _show(notification: Notification, notice: Notice) -> None:
    is_about = notification.event.partition(":")[0] in _ABOUT_AVAILABLE
    if notification.audience == "recipient" and is_about and notification.delivery:
        Delivery.objects.filter(pk=notification.delivery.pk).update(notice=notice)


def _audit(notification: Notification, state: str) -> None:
    transfer = notification.transfer
    audit.record(
        principals.system("worker"),
        f"notice.{state}",
        organization_id=transfer.sender_id if transfer else notification.organization_id,
        subject=f"transfer:{transfer.pk}" if transfer else f"notification:{notification.pk}",
        agent=settings.PUBLIC_HOST[:80],
        detail={
            "event": notification.event,
            "audience": notification.audience,
            "delivery": notification.delivery_id,
            "message_id": notification.message_id,
        },
    )
