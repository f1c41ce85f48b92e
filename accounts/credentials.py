"""Secrets for machines and links: made once, shown once, kept as keyed hashes.

The pepper is a key of the key folder, which belongs to transfers; it is reached by the dotted path in
`settings.PEPPER_PROVIDER` because nothing here imports upwards.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import cast

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.module_loading import import_string

from accounts.models import AccessToken, ApiKey, Department, Organization, User
from accounts.principals import Scope

KEY_PREFIX = "wsk"
TOKEN_PREFIX = "wst"  # noqa: S105 - names the kind of secret, is none
KEY_LIFETIME = timedelta(days=365)
TOKEN_LIFETIME = timedelta(minutes=10)
PIN_DIGITS = 8


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key with its secret, which exists nowhere else."""

    key: ApiKey
    secret: str


def keyed_digest(purpose: str, secret: str) -> bytes:
    """HMAC-SHA256 of a secret under the pepper; the purpose keeps one kind from standing for another."""
    return hmac.digest(_pepper(), f"{purpose}\0{secret}".encode(), hashlib.sha256)


def matches(digest: bytes | memoryview, purpose: str, secret: str) -> bool:
    return hmac.compare_digest(bytes(digest), keyed_digest(purpose, secret))


def issue_key(
    organization: Organization,
    *,
    name: str,
    scopes: Iterable[Scope],
    department: Department | None = None,
    owner: User | None = None,
    bound_to: str = "",
    lifetime: timedelta = KEY_LIFETIME,
    public_id: str = "",
) -> IssuedKey:
    """Make a key `wsk_<id>_<secret>` of 256 random bits; `public_id` is one of `key_id_for`, or drawn at random.

    Raises IntegrityError where a key has this id already.
    """
    public_id, secret = public_id or secrets.token_hex(8), secrets.token_hex(32)
    key = ApiKey.objects.create(
        public_id=public_id,
        digest=keyed_digest("key", secret),
        name=name,
        organization=organization,
        department=department,
        owner=owner,
        scopes=sorted(set(scopes)),
        bound_to=bound_to,
        expires_at=timezone.now() + lifetime,
    )
    return IssuedKey(key, f"{KEY_PREFIX}_{public_id}_{secret}")


def key_id_for(user: User, form: str) -> str:
    """The id of the one key that a person's form makes: sent twice, it meets the key that it has made."""
    return keyed_digest("key form", f"{user.pk}\0{form}")[:8].hex()


def revoke_key(key: ApiKey) -> None:
    """Close a key and every token made from it, at once."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now())
    AccessToken.objects.filter(key=key).delete()


def issue_token(key: ApiKey) -> tuple[str, timedelta]:
    """A short-lived bearer for a key, as /oauth/token gives it (RFC 6749 Section 4.4)."""
    secret = secrets.token_hex(32)
    AccessToken.objects.filter(expires_at__lt=Now()).delete()
    lifetime = min(TOKEN_LIFETIME, key.expires_at - timezone.now())
    AccessToken.objects.create(key=key, digest=keyed_digest("token", secret), expires_at=timezone.now() + lifetime)
    return f"{TOKEN_PREFIX}_{secret}", lifetime


def new_link_token() -> str:
    """256 random bits for a link, URL-safe."""
    return secrets.token_urlsafe(32)


def new_pin() -> str:
    """Eight digits that can be said on the phone."""
    return f"{secrets.randbelow(10**PIN_DIGITS):0{PIN_DIGITS}d}"


@cache
def _pepper() -> bytes:
    provider = cast("Callable[[], bytes]", import_string(settings.PEPPER_PROVIDER))
    return provider()
