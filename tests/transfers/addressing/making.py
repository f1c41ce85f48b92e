"""Transfers of St Elsewhere at each step of their way."""

from datetime import timedelta
from typing import Any

from django.db.models import F

from tests import factories
from tests.actors import Cast
from transfers import addressing
from transfers.models import Transfer
from transfers.rules.lifecycle import Access, State

EMAIL = "jane.doe@example.org"


def make_draft(cast: Cast, *recipients: str, **wishes: object) -> Transfer:
    created = addressing.create(cast.alice.who, recipients=recipients or ["general-hospital"], **wishes)  # type: ignore[arg-type]
    return Transfer.objects.get(pk=created.transfer_id)


def make_available(cast: Cast, **fields: Any) -> Transfer:
    return factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=State.AVAILABLE, **fields)


def lives(transfer: Transfer) -> timedelta:
    return transfer.available_until - transfer.created_at


def filled_draft(cast: Cast, *, days_old: int = 0, **wishes: object) -> Transfer:
    transfer = make_draft(cast, **wishes)
    factories.store_instance(transfer, factories.make_ct())
    age = timedelta(days=days_old)
    Transfer.objects.filter(pk=transfer.pk).update(
        created_at=F("created_at") - age, available_until=F("available_until") - age, purge_at=F("purge_at") - age
    )
    transfer.refresh_from_db()
    return transfer


def state_of(transfer: Transfer) -> State:
    transfer.refresh_from_db()
    return State(transfer.state)


def make_receiving(cast: Cast) -> Transfer:
    transfer = factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=State.RECEIVING)
    factories.store_instance(transfer, factories.make_ct())
    return transfer


def make_offer(cast: Cast) -> Transfer:
    transfer = factories.make_transfer(cast.st_elsewhere, state=State.AVAILABLE)
    factories.make_delivery(transfer, organization=cast.county_clinic, access=Access.WAITING)
    return transfer
