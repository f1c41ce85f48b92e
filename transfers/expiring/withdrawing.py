"""Withdraw: the sender takes a transfer back, and it is destroyed in the same moment."""

from uuid import UUID

from django.db import transaction

from accounts import statements
from accounts.principals import Principal
from transfers import access, farewells, transitions
from transfers.access import Act
from transfers.expiring import destroying
from transfers.models import Transfer
from transfers.rules.lifecycle import Event


def withdraw(who: Principal, transfer_id: UUID, revision: int | None = None) -> Transfer:
    """Close and destroy a transfer; running answers are cut, objects follow after the commit.

    Who got a link by mail is told, though the address goes with the rest. What holds against backups is the day key,
    destroyed when its day has passed (docs/operations.md).
    """
    access.transfer_for(who, transfer_id, Act.WITHDRAW)
    with transaction.atomic():
        # Of a million instances it takes longer than a request may otherwise have, and it must not fail for that.
        statements.run("SET LOCAL statement_timeout = 0", [])
        transitions.apply(transfer_id, Event.WITHDRAW, who=who, revision=revision)
        farewell = farewells.prepare(transfer_id)
        destroying.destroy(transfer_id, who=who)
        for notification_id in farewells.write(transfer_id, farewell):
            transitions.enqueue("notify", str(notification_id))
    return Transfer.objects.get(pk=transfer_id)
