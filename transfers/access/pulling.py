"""How often what a link opens may be pulled: reserved before the first byte, counted when the last has left.

`pulls_reserved` counts what was pulled and what is running, so that parallel downloads never pass the limit together;
one that breaks off gives its place back.
"""

from collections.abc import Collection

from django.db.models import F, Q
from django.db.models.functions import Greatest, Now

from transfers import errors
from transfers.models import Grant


def reserve_pull(grant_id: int) -> None:
    """Take one of the pulls that are left; raises Gone where none is."""
    is_left = Q(max_pulls=None) | Q(pulls_reserved__lt=F("max_pulls"))
    if not Grant.objects.filter(is_left, pk=grant_id).update(pulls_reserved=F("pulls_reserved") + 1):
        raise errors.Gone("This link was used as often as its sender allowed. Ask the sender for a new one.")


def settle_pull(grant_id: int, *, is_complete: bool) -> None:
    """Count a reserved pull as done, or give it back."""
    if is_complete:
        Grant.objects.filter(pk=grant_id).update(pulls_done=F("pulls_done") + 1)
    else:
        Grant.objects.filter(pk=grant_id).update(pulls_reserved=Greatest(F("pulls_reserved") - 1, F("pulls_done")))


def close_links_of(idents: Collection[str]) -> int:
    """Revoke the links in transfers that these principals made; returns how many that were."""
    links = Grant.objects.filter(delivery__transfer__principal__in=idents, revoked_at=None)
    return links.update(revoked_at=Now())
