"""How often what a link opens may be pulled: a place is taken before the first byte, counted when the last has left.

A running pull holds a lease with a heartbeat. What was pulled and what is running together never pass the limit;
a pull that breaks off gives its place back, and one whose process was killed does so by falling silent. What it got
is added up: pulls that never reach their end count as one when together they make a whole.
"""

from collections.abc import Collection
from typing import Final

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Floor, Now

from transfers import errors
from transfers.access import links
from transfers.models import Grant, Lease
from transfers.rules.lifecycle import LEASE_LIVES

# Far more often than a lease needs to live: a pull that is not heard of holds no place any more.
BEAT_SECONDS: Final = 20.0
# A pull that broke off may have got all but a last octet, but it is not done.
MOST_UNCOUNTED: Final = 0.999


@transaction.atomic
def reserve_pull(grant_id: int) -> int:
    """Take one of the pulls that are left and return its lease; raises Gone where none is left or it is closed."""
    grant = Grant.objects.select_for_update(of=("self",)).select_related("delivery").get(pk=grant_id)
    running = grant.leases.filter(heartbeat_at__gt=Now() - LEASE_LIVES).count()
    if grant.revoked_at is not None:
        raise errors.Gone(links.CLOSED)
    if grant.max_pulls is not None and grant.pulls_done + running >= grant.max_pulls:
        raise errors.Gone(links.USED_UP)
    lease = Lease.objects.create(
        transfer_id=grant.delivery.transfer_id,
        kind="pull",
        grant=grant,
        principal=f"link:{grant_id}",
        started_at=Now(),
        heartbeat_at=Now(),
    )
    return lease.pk


def keep_pull(grant_id: int, lease_id: int) -> int:
    """Say that a pull goes on and return its lease.

    One that was silent for too long takes a place anew, which raises Gone where another pull has it by now, and where
    the link was closed.
    """
    alive = Lease.objects.filter(pk=lease_id, heartbeat_at__gt=Now() - LEASE_LIVES, grant__revoked_at=None)
    if alive.update(heartbeat_at=Now()):
        return lease_id
    Lease.objects.filter(pk=lease_id).delete()
    return reserve_pull(grant_id)


@transaction.atomic
def settle_pull(grant_id: int, lease_id: int, *, share: float) -> None:
    """End a pull that got this share of the whole: at 1 it is counted as done, below that it gives its place back."""
    counted = Grant.objects.filter(pk=grant_id)
    if share >= 1:
        counted.update(pulls_done=F("pulls_done") + 1, share_pulled=0)
    elif share:
        whole = Floor(F("share_pulled") + share)
        counted.update(pulls_done=F("pulls_done") + whole, share_pulled=F("share_pulled") + share - whole)
    Lease.objects.filter(pk=lease_id).delete()


def close_links_of(idents: Collection[str]) -> int:
    """Revoke the links in transfers that these principals made; returns how many that were."""
    links = Grant.objects.filter(delivery__transfer__principal__in=idents, revoked_at=None)
    return links.update(revoked_at=Now())
