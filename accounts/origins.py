"""Origins of web pages whose scripts may read answers (RFC 6454 Section 6.2): each organisation lists its own."""

from collections.abc import Collection

from accounts.models import Organization


def is_listed(origin: str, *, by: Collection[int] | None = None) -> bool:
    """Whether one of these organisations lists an origin, or without a choice any."""
    listing = Organization.objects.filter(is_active=True, allowed_origins__contains=[origin])
    return (listing if by is None else listing.filter(pk__in=by)).exists()
