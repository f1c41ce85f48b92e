"""Which transfers a caller's side sent: how these fare it may know, whatever its scopes."""

from uuid import UUID

from accounts.principals import Principal
from transfers.access import seeing


def sent_ids(who: Principal) -> list[UUID]:
    """Those that are not over, purged or withdrawn."""
    mine = seeing.visible_transfers(who).filter(seeing.sender_q(who))
    return list(mine.exclude(wrapped_key=None).values_list("pk", flat=True))
