"""What a desk that was told of a held transfer may read of it: who sent it and whom to call, and nothing in it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts.principals import Principal
from transfers import access


@dataclass(frozen=True, slots=True)
class HeldNotice:
    sender: str
    phone: str
    reference: str
    reason: str
    since: datetime


def notice(who: Principal, transfer_id: UUID) -> HeldNotice:
    """Raises NotFound where nothing is held for the caller under this number."""
    transfer = access.held_for(who, transfer_id)
    sender, department = transfer.sender, transfer.sender_department
    return HeldNotice(
        sender=f"{sender.name}, {department.name}" if department else sender.name,
        phone=(department.desk_phone if department else "") or sender.desk_phone,
        reference=transfer.reference,
        reason=transfer.reason,
        since=transfer.state_changed_at,
    )
