"""What of a transfer's contents a page shows: whose images they are, to whoever may see them now."""

from uuid import UUID

from accounts.principals import Principal
from transfers import access, errors, searching
from transfers.addressing import TransferView
from transfers.searching import Overview


def of_transfer(who: Principal, transfer_id: UUID) -> Overview | None:
    """None where the caller may see no images of it: over, not accepted, not available yet."""
    try:
        seen = access.sight(who, transfer_id)
    except (errors.Gone, errors.NotFound):
        return None
    return searching.overview(who, seen)


def of_original(who: Principal, view: TransferView, holds: Overview | None) -> Overview | None:
    """Whose a follow-up without images is: what the reader may see of the one that it follows."""
    if holds is None or holds.patients or view.earlier is None:
        return None
    reader = who if view.earlier.is_visible else access.same_reader_of(who, view.earlier.id)
    return of_transfer(reader, view.earlier.id) if reader else None
