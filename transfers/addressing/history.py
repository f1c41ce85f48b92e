"""What happened to a transfer, as each side may read it: of the audit trail what concerns that side."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q

from accounts.models import AuditEvent
from transfers.addressing.views import Role, TimelineEntry
from transfers.models import Delivery, Transfer

# What a recipient reads of the history: how the transfer itself fared, and nothing of who did it;
_SHARED = frozenset(
    f"transfer.{event}" for event in ("pass", "release", "extend", "lapse", "re-open", "fulfil", "withdraw", "purge")
)
# and what its own side did with its own delivery.
_OWN = frozenset(
    ("delivery.open", "delivery.accept", "delivery.decline", "delivery.acknowledge", "study.pull", "document.pull")
)


def timeline(transfer: Transfer, role: Role, deliveries: Iterable[Delivery]) -> tuple[TimelineEntry, ...]:
    events = AuditEvent.objects.filter(subject=f"transfer:{transfer.pk}").order_by("id")
    if role == "sender":
        return tuple(TimelineEntry(e.at, e.action, e.principal, e.agent, e.detail) for e in events)
    own = Q(action__in=_OWN, detail__delivery__in=[one.pk for one in deliveries])
    return tuple(TimelineEntry(e.at, e.action, "", "", {}) for e in events.filter(Q(action__in=_SHARED) | own))


def declined_at(transfer: Transfer) -> dict[int, datetime]:
    """When each delivery that was declined was, by its number."""
    events = AuditEvent.objects.filter(subject=f"transfer:{transfer.pk}", action="delivery.decline")
    return {event.detail.get("delivery", 0): event.at for event in events.order_by("id")}
