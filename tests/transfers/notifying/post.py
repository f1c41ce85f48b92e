"""Transfers that somebody is to be told of, and the worker that tells them."""

from datetime import UTC, datetime
from typing import Any

from django.db.models.functions import Now

from accounts import credentials
from accounts.models import Organization, User
from tests import factories
from transfers import keys, notifying, tasks
from transfers.models import Delivery, Grant, Job, Transfer
from transfers.rules.lifecycle import State

UNTIL = datetime(2131, 10, 3, 12, 5, tzinfo=UTC)
READER = "reader@practice.example"


def available(sender: Organization, *to: Organization, **fields: Any) -> Transfer:  # Any: column values
    return factories.make_transfer(sender, to=to, state=State.AVAILABLE, instance_count=40, **fields)


def add_link(transfer: Transfer, token: str = "a first one") -> Delivery:
    hashed = keys.keyed_hash(keys.register_key(), "email", READER)
    sealed = factories.key_of(transfer).seal("email", hashed.hex(), READER.encode())
    delivery = factories.make_delivery(transfer, email_hash=hashed, email_record=sealed)
    Grant.objects.create(
        delivery=delivery,
        token_digest=credentials.keyed_digest("link", token),
        pin_digest=credentials.keyed_digest("pin", "1"),
        created_at=Now(),
    )
    return delivery


def make_user(email: str, **fields: Any) -> User:  # Any: column values
    return User.objects.create_user(email, **fields)


def send_all() -> None:
    """Do what the jobs ask for, as a worker does."""
    for job in Job.objects.filter(event="notify", state="waiting").order_by("id"):
        tasks.run(job.pk)


def announce(transfer: Transfer) -> None:
    notifying.announce_available(transfer.pk)
    send_all()
