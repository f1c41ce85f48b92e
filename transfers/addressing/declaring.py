"""Declare, one by one, what belongs to a transfer: pushing has ended when all of it is here.

The same list comes over the API and, for a PACS, as a request for storage commitment.
"""

from collections.abc import Collection
from uuid import UUID

from django.db import transaction

from accounts import audit
from accounts.principals import Principal
from transfers import declarations, errors, transitions
from transfers.access import Act
from transfers.addressing import locking, sending
from transfers.models import Transfer
from transfers.rules.lifecycle import Event, State


@transaction.atomic
def declare(who: Principal, transfer_id: UUID, uids: Collection[str], *, revision: int | None = None) -> bool:
    """Add SOP Instance UIDs to what was declared; True where that ended the pushing, for all of it is here.

    Raises Conflict for a transfer that is neither a draft nor receiving, InvalidField beside a declared number or
    beyond the most that may be declared. Repeated, it changes nothing.
    """
    transfer = locking.lock_open(who, transfer_id, Act.SEND, revision=revision)
    if transfer.state not in (State.DRAFT, State.RECEIVING):
        raise errors.Conflict("Declare while it is a draft or receiving: what came is being validated, or is sent.")
    add(transfer, uids)
    locking.bump(transfer)
    audit.record(
        who,
        "transfer.declare",
        organization_id=transfer.sender_id,
        subject=f"transfer:{transfer_id}",
        detail={"instances": transfer.declared_instances},
    )
    if transfer.state != State.RECEIVING or sending.has_open_push(transfer):
        return False
    how = sending.reached_by(transfer)
    if how:
        Transfer.objects.filter(pk=transfer_id).update(finalised_by=how)
        transitions.apply(transfer_id, Event.FINALISE, who=who, detail={"by": how})
    return bool(how)


def add(transfer: Transfer, uids: Collection[str]) -> None:
    """Add to the list of a transfer whose row is locked, or new."""
    if transfer.declared_instances is not None and not declarations.exists(transfer.pk):
        raise errors.InvalidField(
            "sop_instance_uids", "A number was declared for this transfer. Declare a number or a list, not both."
        )
    transfer.declared_instances = declarations.add(transfer.pk, uids)
    transfer.save(update_fields=["declared_instances"])
