"""Who is calling the API: a bearer key or token, or the session of a signed-in person with its CSRF token."""

from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from rest_framework import authentication, permissions, throttling
from rest_framework.request import Request

from accounts.principals import Principal
from exchange import callers, problems

if TYPE_CHECKING:  # the framework's views load this module from the settings
    from rest_framework.views import APIView


class Caller(authentication.BaseAuthentication):
    """Puts the Principal into `request.auth`; a credential that opens nothing never falls back to the cookie."""

    def authenticate(self, request: Request) -> tuple[Any, Principal] | None:  # Any: User or AnonymousUser
        http = request._request
        who = callers.authenticate(http)
        if who is None:
            return None
        if who.kind != "user":
            return AnonymousUser(), who
        # A cookie comes along whoever made the browser send the request.
        authentication.SessionAuthentication().enforce_csrf(request)
        return http.user, who

    def authenticate_header(self, request: Request) -> str:
        return problems.CHALLENGE


class IsCaller(permissions.BasePermission):
    """Somebody we know; what they may do is decided where the thing is."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return isinstance(request.auth, Principal)


class CallerThrottle(throttling.SimpleRateThrottle):
    """So many requests a minute for each credential, whatever address they come from."""

    scope = "caller"

    def get_cache_key(self, request: Request, view: "APIView") -> str | None:
        if not isinstance(request.auth, Principal):
            return None
        return self.cache_format % {"scope": self.scope, "ident": request.auth.ident}


def caller(request: Request) -> Principal:
    """The authenticated caller of a request that IsCaller let through."""
    assert isinstance(request.auth, Principal)
    return request.auth
