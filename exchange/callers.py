"""Who calls, by a credential of the Authorization header or by a session; wrong credentials are counted.

A right credential is never refused for what others do: not for wrong ones of the same key from elsewhere, and not
for those of other keys from the same hospital's address. What is refused unseen is one key from one network that
has just failed with it; beyond that a wrong credential is told to wait instead of being told that it is wrong.
"""

from typing import Final

from django.conf import settings
from django.http import HttpRequest

from accounts import authentication, credentials
from accounts.authentication import InvalidCredentials
from accounts.principals import Principal
from exchange import limits
from exchange.limits import Limit

_SENTENCE: Final = "Too many wrong credentials. Check the key, wait a minute and try again."
# One key from one network; and, while somebody tries it from all over the world, after a single failure.
BY_BOTH: Final = Limit(10, _SENTENCE)
BY_BOTH_UNDER_ATTACK: Final = Limit(1, _SENTENCE)
BY_KEY: Final = Limit(100, _SENTENCE)
BY_SOURCE: Final = Limit(settings.EXCHANGE_FAILED_CREDENTIALS, _SENTENCE)


def authenticate(request: HttpRequest) -> Principal | None:
    """The caller of a request by header or session; None for an anonymous one.

    Raises InvalidCredentials for a credential that opens nothing, TooManyRequests after too many of them.
    """
    header = request.META.get("HTTP_AUTHORIZATION", "")
    return authenticate_bearer(request, header) if header else authentication.authenticate(request)


def authenticate_bearer(request: HttpRequest, header: str) -> Principal:
    """The caller by `Authorization: Bearer …`; raises as `authenticate` does."""
    scheme, _, value = header.partition(" ")
    return authenticate_secret(request, value.strip() if scheme.lower() == "bearer" else "")


def authenticate_secret(request: HttpRequest, value: str) -> Principal:
    """The caller by a key or token; raises as `authenticate` does."""
    source, key_id = limits.source_of(request), _key_id(value)
    if key_id:
        _ensure_open(source, key_id)
    try:
        return authentication.authenticate_secret(value)
    except InvalidCredentials:
        count_failure(source, key_id)
        raise


def count_failure(source: str, key_id: str) -> None:
    """Count a wrong credential; raises TooManyRequests where its network has had too many."""
    if key_id:
        BY_KEY.add(key_id)
        for limit in (BY_BOTH, BY_BOTH_UNDER_ATTACK):
            limit.add(f"{source} {key_id}")
    BY_SOURCE.take(source)


def clear() -> None:
    for limit in (BY_BOTH, BY_BOTH_UNDER_ATTACK, BY_KEY, BY_SOURCE):
        limit.clear()


def _ensure_open(source: str, key_id: str) -> None:
    limit = BY_BOTH_UNDER_ATTACK if BY_KEY.wait(key_id) else BY_BOTH
    limit.ensure_open(f"{source} {key_id}")


def _key_id(value: str) -> str:
    """The public half of a key; none of a token or of what is neither."""
    kind, _, rest = value.partition("_")
    return rest.partition("_")[0][:24] if kind == credentials.KEY_PREFIX else ""
