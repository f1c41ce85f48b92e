"""Who is calling: a bearer key, a token made from it, or a signed-in person.

Decided before a byte of a body is read. Membership and activity are read at every request, so a change of role
or a deactivated person counts from the next request on.
"""

import json
from dataclasses import dataclass
from typing import Any, LiteralString

from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.http import HttpRequest

from accounts import credentials, statements
from accounts.models import User
from accounts.principals import Place, Principal, Scope

# One statement a request: the key, its organisation, department and owner must all be active.
_KEY_COLUMNS = """
    SELECT k.id, k.public_id, k.digest, k.scopes, k.bound_to, k.organization_id, k.department_id,
           coalesce(k.last_used_at < now() - interval '1 minute', true) AS is_stale,
           CASE WHEN k.owner_id IS NOT NULL THEN (
               SELECT array_remove(ARRAY[CASE WHEN bool_or(m.may_send) THEN 'store' END,
                                         CASE WHEN bool_or(m.may_receive) THEN 'read' END,
                                         CASE WHEN bool_or(m.may_administer) THEN 'manage' END], NULL)
                 FROM accounts_membership m
                WHERE m.user_id = k.owner_id AND m.organization_id = k.organization_id
                  AND (m.department_id IS NULL OR m.department_id = k.department_id)) END
      FROM accounts_apikey k
      JOIN accounts_organization o ON o.id = k.organization_id AND o.is_active
      LEFT JOIN accounts_department d ON d.id = k.department_id
      LEFT JOIN accounts_user u ON u.id = k.owner_id
"""
_KEY_IS_LIVE = """
       AND k.revoked_at IS NULL AND k.expires_at > now()
       AND coalesce(d.is_active, true) AND coalesce(u.is_active, true)
"""


class InvalidCredentials(Exception):
    """A credential was given, and it opens nothing."""


@dataclass(frozen=True, slots=True)
class _KeyRow:
    pk: int
    public_id: str
    digest: bytes
    scopes: list[Scope]
    bound_to: str
    organization_id: int
    department_id: int | None
    is_stale: bool


def authenticate(request: HttpRequest) -> Principal | None:
    """The caller of a request; None for an anonymous one.

    Raises InvalidCredentials where an Authorization header is there but opens nothing: such a request must not
    fall back to a cookie.
    """
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if header:
        return authenticate_bearer(header)
    user = getattr(request, "user", None)
    if user is None or isinstance(user, AnonymousUser) or not user.is_authenticated:
        return None
    return principal_of_user(user)


def authenticate_bearer(header: str) -> Principal:
    """Check `Authorization: Bearer …` (RFC 6750 Section 2.1)."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidCredentials
    return authenticate_secret(value.strip())


def authenticate_secret(value: str) -> Principal:
    """Check a key or token by itself."""
    kind, _, rest = value.partition("_")
    if kind == credentials.KEY_PREFIX:
        public_id, _, secret = rest.partition("_")
        row = _fetch_key("WHERE k.public_id = %s", public_id)
        if row is None or not credentials.matches(row.digest, "key", secret):
            raise InvalidCredentials
    elif kind == credentials.TOKEN_PREFIX:
        digest = credentials.keyed_digest("token", rest)
        row = _fetch_key(
            "JOIN accounts_accesstoken t ON t.key_id = k.id AND t.expires_at > now() WHERE t.digest = %s",
            digest,
        )
        if row is None:
            raise InvalidCredentials
    else:
        raise InvalidCredentials
    return _principal_of_key(row)


def principal_of_user(user: User) -> Principal | None:
    """A person with all roles held, or None where the account is closed."""
    if not user.is_active:
        return None
    memberships = user.memberships.filter(organization__is_active=True).exclude(department__is_active=False)
    places = tuple(
        Place(m.organization_id, m.department_id, frozenset(_scopes_of_roles(m))) for m in memberships.order_by("id")
    )
    return Principal(
        kind="user",
        ident=f"user:{user.pk}",
        places=places,
        user_id=user.pk,
        is_operator=user.is_superuser,
        time_zone=user.time_zone,
    )


def _scopes_of_roles(membership: Any) -> list[Scope]:  # Any: the related model, typed by its columns alone
    scopes: list[Scope] = []
    if membership.may_send:
        scopes.append("store")
    if membership.may_receive:
        scopes.append("read")
    if membership.may_administer:
        scopes.append("manage")
    return scopes


def _fetch_key(condition: LiteralString, value: str | bytes) -> _KeyRow | None:
    rows = statements.look(_KEY_COLUMNS + condition + _KEY_IS_LIVE, [value])
    if not rows:
        return None
    row = rows[0]
    # On a connection of Django's jsonb stays undecoded.
    scopes: list[Scope] = json.loads(row[3])
    if row[8] is not None:  # a person's own key can do no more than the person still may
        scopes = [scope for scope in scopes if scope in row[8]]
    return _KeyRow(row[0], row[1], bytes(row[2]), scopes, row[4], row[5], row[6], row[7])


def _principal_of_key(row: _KeyRow) -> Principal:
    if row.is_stale:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE accounts_apikey SET last_used_at = now() WHERE id = %s", [row.pk])
    place = Place(row.organization_id, row.department_id, frozenset(row.scopes))
    return Principal(kind="key", ident=f"key:{row.public_id}", places=(place,), bound_to=row.bound_to)
