"""What of a transfer's contents a page shows: whose images they are, to whoever may see them now."""

from uuid import UUID

from accounts.principals import Principal
from transfers import access, errors, searching
from transfers.searching import Overview


def of_transfer(who: Principal, transfer_id: UUID) -> Overview | None:
    """None where the caller may see no images of it: over, not accepted, not available yet."""
    try:
        seen = access.sight(who, transfer_id)
    except (errors.Gone, errors.NotFound):
        return None
    return searching.overview(who, seen)
