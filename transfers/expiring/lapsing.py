"""Close what is over: by the clock, or because every recipient has what was sent.

Access has ended before this runs, for every read asks the database's clock; lapsing only writes it down.
"""

from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from accounts.principals import system
from transfers import sweeps, transitions
from transfers.models import Intake, Transfer
from transfers.rules.lifecycle import Access, Event, Progress, State

_LAPSING = (State.AVAILABLE, State.HELD, State.RECEIVING, State.VALIDATING)
_DONE = Q(progress=Progress.PROVEN) | Q(access__in=[Access.DECLINED, Access.REVOKED])


def lapse_due() -> int:
    """Close every transfer whose time is up; returns how many."""
    due = Transfer.objects.filter(state__in=_LAPSING, available_until__lte=Now())
    return sweeps.each(due.order_by("available_until").values_list("pk", flat=True), _lapse)


def close_fulfilled(transfer_id: UUID) -> bool:
    """Close an available transfer that every recipient has proven, declined or lost, where the sender wants that."""
    with transaction.atomic():
        transfer = (
            Transfer.objects.select_for_update()
            .filter(pk=transfer_id, state=State.AVAILABLE, close_when_fulfilled=True)
            .first()
        )
        if transfer is None or not transfer.deliveries.exists() or transfer.deliveries.exclude(_DONE).exists():
            return False
        transitions.apply(transfer_id, Event.FULFIL, who=system("expiry"))
    return True


def _lapse(transfer_id: UUID) -> bool:
    with transaction.atomic():
        # Locked and asked again: an extension may have come since, or another worker got here first.
        due = Transfer.objects.select_for_update(skip_locked=True).filter(
            pk=transfer_id, state__in=_LAPSING, available_until__lte=Now()
        )
        if not due.exists():
            return False
        transitions.apply(transfer_id, Event.LAPSE, who=system("expiry"))
        Intake.objects.filter(transfer_id=transfer_id).delete()
    return True
