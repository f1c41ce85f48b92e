"""Which transfer another follows, and which follow it, as far as the caller may know."""

from accounts.principals import Principal
from transfers import access
from transfers.addressing.views import Related
from transfers.models import Transfer
from transfers.rules.lifecycle import State


def earlier_of(who: Principal, transfer: Transfer) -> Related | None:
    """The one it follows: its reference stands in every mail, and the caller may not see more than that."""
    earlier = transfer.follows
    if earlier is None:
        return None
    is_visible = access.visible_transfers(who).filter(pk=earlier.pk).exists()
    return Related(earlier.pk, earlier.reference, is_visible)


def later_of(who: Principal, transfer: Transfer) -> tuple[Related, ...]:
    """Those that follow it and that the caller may see; of others the holder of a link knows what came by mail."""
    rows = access.visible_transfers(who).filter(follows=transfer).order_by("created_at")
    found = [Related(row.pk, row.reference, is_visible=True) for row in rows]
    if who.kind == "link":
        later = access.same_reader(who).filter(transfer__follows=transfer, transfer__state=State.AVAILABLE)
        told = later.order_by("transfer__created_at").values_list("transfer_id", "transfer__reference")
        found += [Related(pk, reference, is_visible=False) for pk, reference in told]
    return tuple(found)
