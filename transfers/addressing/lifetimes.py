"""How long a transfer may be pulled: the sender's wish, its organisation's limits, the recipients' kind."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from accounts.models import Organization
from transfers import errors
from transfers.access import Recipient
from transfers.models import Delivery, Transfer
from transfers.rules import retention

# People outside any organisation, patients above all, need longer to find the time.
PERSON_DAYS: Final = 90
MAX_GRACE: Final = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Lifetime:
    until: datetime
    grace: timedelta

    @property
    def purge_at(self) -> datetime:
        return retention.purge_at(self.until, grace=self.grace)


def decide(
    sender: Organization,
    recipients: Iterable[Recipient],
    *,
    now: datetime,
    until: datetime | None,
    grace: timedelta | None,
) -> Lifetime:
    """The life of a new transfer; raises InvalidField where a wish passes the limits."""
    if grace is None:
        grace = timedelta(days=sender.grace_days)
    if not timedelta(0) <= grace <= MAX_GRACE:
        raise errors.InvalidField("grace_days", f"Give a grace between 0 and {MAX_GRACE.days} days.")
    return Lifetime(_until(sender, recipients, now=now, wish=until), grace)


def default_days(sender: Organization, recipients: Iterable[Recipient]) -> int:
    """The longest that any of the recipients would get by itself, within the organisation's ceiling."""
    days = [_days_for(sender, recipient) for recipient in recipients] or [sender.retention_days]
    return min(max(days), sender.retention_ceiling_days)


def _until(sender: Organization, recipients: Iterable[Recipient], *, now: datetime, wish: datetime | None) -> datetime:
    try:
        return retention.lifetime(
            now,
            requested=wish,
            default_days=default_days(sender, recipients),
            ceiling_days=sender.retention_ceiling_days,
            minimum=settings.EXCHANGE_MIN_LIFETIME,
        )
    except errors.BadRequest as error:
        raise errors.InvalidField("until", error.sentence) from None


def recipients_of(transfer: Transfer) -> list[Recipient]:
    """The recipients of a transfer as they were resolved, with what their partnership agreed."""
    deliveries = list(transfer.deliveries.order_by("id"))
    agreed = dict(
        transfer.sender.partnerships_out.filter(
            recipient_id__in=[d.organization_id for d in deliveries if d.organization_id]
        ).values_list("recipient_id", "retention_days")
    )
    return [_recipient(delivery, agreed) for delivery in deliveries]


def _recipient(delivery: Delivery, agreed: dict[int, int | None]) -> Recipient:
    return Recipient(
        organization_id=delivery.organization_id,
        department_id=delivery.department_id,
        user_id=delivery.user_id,
        email="" if delivery.email_hash is None else "sealed",
        retention_days=agreed.get(delivery.organization_id) if delivery.organization_id else None,
    )


def _days_for(sender: Organization, recipient: Recipient) -> int:
    if recipient.organization_id is None and recipient.user_id is None:
        return max(PERSON_DAYS, sender.retention_days)
    return recipient.retention_days or sender.retention_days
