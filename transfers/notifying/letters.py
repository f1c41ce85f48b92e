"""The words of a mail: who sent, how many images, until when, what to do; nothing of a patient.

Each letter is one template: its first line is the subject, and the paragraphs below it are set as text and as HTML.
"""

import textwrap
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.db import connection
from django.template.loader import render_to_string

from accounts.models import Department, Organization
from transfers import errors
from transfers.models import Delivery, Grant, Notification, Switch, Transfer
from transfers.notifying.announcing import key_of
from transfers.rules.lifecycle import OVER, State

# (what happened, who reads) -> template in transfers/templates/mail/
TEMPLATES: dict[tuple[str, str], str] = {
    ("available", "recipient"): "available",
    ("waiting", "recipient"): "waiting",
    ("re-opened", "recipient"): "reopened",
    ("renewed", "recipient"): "renewed",
    ("withdrawn", "recipient"): "withdrawn",
    ("rejected-instances", "recipient"): "rejected_instances",
    ("held", "sender"): "held_sender",
    ("held", "desk"): "held_desk",
    ("rejected", "sender"): "rejected",
    ("lapsed", "sender"): "lapsed",
    ("declined", "sender"): "declined",
    ("locked", "sender"): "locked",
    ("undelivered", "sender"): "undelivered",
    ("quota", "admin"): "quota",
    ("quota", "operator"): "quota",
    ("alarm", "operator"): "alarm",
}

# What brings a reader without an account the link itself.
WITH_LINK = ("available", "renewed")


@dataclass(frozen=True, slots=True)
class Letter:
    subject: str
    text: str
    html: str
    is_urgent: bool


def write(notification: Notification, *, time_zone: str) -> Letter:
    """Write the letter of a notification; times are told in the reader's time zone."""
    kind, _, detail = notification.event.partition(":")
    words: dict[str, Any] = {"link": f"{settings.PUBLIC_URL}/"}  # Any: what a template shows
    if transfer := notification.transfer:
        words["link"] = f"{settings.PUBLIC_URL}/transfers/{transfer.pk}/"
        words |= _of_transfer(transfer, time_zone)
        words |= _of_delivery(notification.delivery) if notification.delivery else {}
        words |= _follow_up(transfer)
        words["has_same_pin"] = _has_same_pin(transfer, notification.delivery)
    if kind in WITH_LINK and notification.secret_record is not None and transfer:
        words["link"] = f"{settings.PUBLIC_URL}/s/{_secret(transfer, notification)}/"
    elif kind in WITH_LINK and notification.delivery and notification.delivery.email_hash is not None:
        raise errors.NotFound("There is no link to be sent.")
    if kind == "quota":
        words |= _quota(notification.organization, detail.partition(":")[0])
    if kind == "alarm":
        words["note"] = _note(detail.rpartition(":")[0])
    if kind == "rejected-instances":
        words["rejected"] = int(detail)
    return _set(TEMPLATES[kind, notification.audience], words)


def _set(template: str, words: dict[str, Any]) -> Letter:  # Any: see write
    text = render_to_string(f"mail/{template}.txt", words)
    subject, _, body = text.partition("\n")
    paragraphs = [" ".join(paragraph.split()) for paragraph in body.split("\n\n")]
    paragraphs = [paragraph for paragraph in paragraphs if paragraph]
    is_urgent = bool(words.get("is_urgent"))
    return Letter(
        subject=("URGENT: " if is_urgent else "") + " ".join(subject.split()),
        text="\n\n".join(_wrapped(paragraph) for paragraph in paragraphs) + "\n",
        html=render_to_string("mail/letter.html", {"paragraphs": paragraphs, **words}),
        is_urgent=is_urgent,
    )


def _of_transfer(transfer: Transfer, time_zone: str) -> dict[str, Any]:  # Any: see write
    return {
        "sender": _name(transfer.sender, transfer.sender_department),
        "phone": (transfer.sender_department and transfer.sender_department.desk_phone) or transfer.sender.desk_phone,
        "reference": transfer.reference,
        "images": transfer.instance_count,
        "documents": transfer.documents.count(),
        "until": _moment(transfer.available_until, time_zone),
        "is_urgent": transfer.urgency not in ("", "routine"),
        "reason": transfer.reason,
        "is_over": State(transfer.state) in OVER,
        "stops": transfer.findings.filter(grade="stop", released_at=None).count(),
        "was_available": transfer.available_at is not None,
    }


def _of_delivery(delivery: Delivery) -> dict[str, Any]:  # Any: see write
    if delivery.organization:
        return {"recipient": _name(delivery.organization, delivery.department)}
    if delivery.user:
        return {"recipient": _flat(delivery.user.get_full_name())}
    return {"recipient": "the reader of a link", "is_link": True}


def _follow_up(transfer: Transfer) -> dict[str, Any]:  # Any: see write
    """How many instances and documents of a follow-up are new, and how many take the place of earlier ones."""
    if transfer.follows is None:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*) FILTER (WHERE earlier.id IS NULL), count(*) FILTER (WHERE earlier.id IS NOT NULL)
              FROM transfers_instance later
              LEFT JOIN transfers_instance earlier
                ON earlier.transfer_id = %s AND earlier.sop_instance_uid = later.sop_instance_uid
             WHERE later.transfer_id = %s
            """,
            [transfer.follows_id, transfer.pk],
        )
        added, replaced = cursor.fetchone()
    documents = transfer.documents.count()
    replacing = transfer.documents.filter(replaces__isnull=False).count()
    return {
        "follows": transfer.follows.reference,
        "added": _content(added, documents - replacing),
        "replaced": _content(replaced, replacing),
    }


def _has_same_pin(transfer: Transfer, delivery: Delivery | None) -> bool:
    """Whether the link of a follow-up opens with the PIN that its reader was told for the one it follows."""
    if transfer.follows_id is None or delivery is None or delivery.email_hash is None:
        return False
    earlier = Grant.objects.filter(delivery__transfer=transfer.follows_id, delivery__email_hash=delivery.email_hash)
    pins = delivery.grants.filter(revoked_at=None, pin_digest__isnull=False).values("pin_digest")
    return earlier.filter(pin_digest__in=pins).exists()


def _content(images: int, documents: int) -> str:
    """`2 images and 1 document`; empty where there is nothing."""
    words = {"images": images, "documents": documents}
    return render_to_string("mail/content.txt", words) if images or documents else ""


def _secret(transfer: Transfer, notification: Notification) -> str:
    assert notification.secret_record is not None
    return key_of(transfer).open("notification", notification.message_id, notification.secret_record).decode()


def _quota(organization: Organization | None, percent: str) -> dict[str, Any]:  # Any: see write
    assert organization
    return {"organization": _name(organization, None), "percent": percent}


def _note(switch: str) -> str:
    row = Switch.objects.filter(name=switch).first()
    return row.note if row else ""


def _wrapped(paragraph: str) -> str:
    return textwrap.fill(paragraph, 76, break_long_words=False, break_on_hyphens=False)


def _name(organization: Organization, department: Department | None) -> str:
    return _flat(f"{organization.name}, {department.name}" if department else organization.name)


def _flat(text: str) -> str:
    """A name on one line: it may stand in a subject."""
    return " ".join(text.split())


def _moment(at: datetime, time_zone: str) -> str:
    """A date nobody misreads: `Friday 3 October 2031, 14:05 (Europe/Berlin)`."""
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")
    local = at.astimezone(zone)
    return f"{local:%A} {local.day} {local:%B %Y, %H:%M} ({zone.key})"
