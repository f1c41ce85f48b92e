"""One transfer for each way in which somebody can stand to it."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from django.utils import timezone

from accounts import credentials
from tests import factories, sealing
from tests.actors import Cast, make_cast
from transfers import expiring
from transfers.models import Document, Grant, Transfer
from transfers.rules.lifecycle import Reason, State

# own: between the sides of the cast and available · foreign: of others · absent: never was · overdue: its time has
# passed and no sweep has run · lapsed: closed · withdrawn: taken back and destroyed.
RELATIONS: Final = ("own", "foreign", "absent", "overdue", "lapsed", "withdrawn")


@dataclass(frozen=True)
class Target:
    """One transfer, or the ids of one that never was."""

    transfer_id: UUID
    study: str
    series: str
    instance: str
    document: int
    delivery: int
    token: str  # of a link to it
    grant: int
    link_delivery: int  # of that link


@dataclass(frozen=True)
class World:
    cast: Cast
    targets: Mapping[str, Target]


def make_world() -> World:
    cast = make_cast()
    sides = {"sender": cast.st_elsewhere, "to": [cast.general_hospital]}
    made = {name: _send(**sides) for name in ("own", "overdue", "lapsed", "withdrawn")}
    made["foreign"] = _send(sender=factories.make_organization(), to=[factories.make_organization()])
    for transfer in made.values():
        factories.store_document(transfer, b"an earlier report")
    targets = {name: _target(transfer) for name, transfer in made.items()}
    uids = (factories.make_uid(), factories.make_uid(), factories.make_uid())
    targets["absent"] = Target(
        uuid4(), *uids, 999_999_999, 999_999_999, credentials.new_link_token(), 999_999_999, 999_999_999
    )
    _end(made["overdue"])
    _end(made["lapsed"], state=State.CLOSED, reason=Reason.LAPSED, closed_at=timezone.now())
    expiring.withdraw(cast.alice.who, made["withdrawn"].pk)
    return World(cast, targets)


def _send(**sides: Any) -> Transfer:  # Any: sender and recipients
    return sealing.send([factories.make_ct()], **sides)


def _end(transfer: Transfer, **columns: object) -> None:
    Transfer.objects.filter(pk=transfer.pk).update(available_until=timezone.now() - timedelta(hours=1), **columns)


def _target(transfer: Transfer) -> Target:
    instance = transfer.instances.select_related("study", "series").get()
    delivery = transfer.deliveries.get()
    document = transfer.documents.first() or Document(pk=999_999_998)  # destroyed with a withdrawn one
    token, grant = _link_to(transfer)
    return Target(
        transfer.pk,
        instance.study.study_instance_uid,
        instance.series.series_instance_uid,
        instance.sop_instance_uid,
        document.pk,
        delivery.pk,
        token,
        grant.pk,
        grant.delivery_id,
    )


def _link_to(transfer: Transfer) -> tuple[str, Grant]:
    """A link to a transfer, for a reader without an account."""
    token = credentials.new_link_token()
    hashed = secrets.token_bytes(32)
    sealed = factories.key_of(transfer).seal("email", hashed.hex(), b"reader@practice.example")
    delivery = factories.make_delivery(transfer, email_hash=hashed, email_record=sealed)
    grant = Grant.objects.create(
        delivery=delivery,
        token_digest=credentials.keyed_digest("link", token),
        verbs=["view", "download"],
        created_at=timezone.now(),
    )
    return token, grant
