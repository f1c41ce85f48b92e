"""Tokens for machines: OAuth 2.0 client credentials (RFC 6749 Section 4.4).

The client's id and secret are a key's id and the key itself. A token is opaque, lives ten minutes at most and dies
with its key. Answers and errors are in the form that RFC 6749 Sections 5.1 and 5.2 ask for, not problem details.
"""

import base64
import binascii
from typing import Final
from urllib.parse import unquote_plus

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from accounts import audit, credentials
from accounts.authentication import InvalidCredentials
from accounts.models import ApiKey
from exchange import callers, limits
from transfers import errors

CHALLENGE: Final = 'Basic realm="exchange"'
MAX_BODY: Final = 16 * 1024


class _Refused(Exception):
    """An error answer of RFC 6749 Section 5.2."""

    def __init__(self, error: str, description: str, status: int = 400, *, retry_after: int = 0) -> None:
        self.error, self.description, self.status, self.retry_after = error, description, status, retry_after
        super().__init__(error)


@csrf_exempt  # no cookie is looked at
def token(request: HttpRequest) -> HttpResponseBase:
    """POST /oauth/token."""
    try:
        return _answer(_issue(request))
    except _Refused as refused:
        response = _answer({"error": refused.error, "error_description": refused.description}, status=refused.status)
        if refused.status == 401:
            response["WWW-Authenticate"] = CHALLENGE
        if refused.status == 405:
            response["Allow"] = "POST"
        if refused.retry_after:
            response["Retry-After"] = str(refused.retry_after)
        return response


def _issue(request: HttpRequest) -> dict[str, str | int]:
    if request.method != "POST":
        raise _Refused("invalid_request", "Send a POST.", 405)
    if request.content_type != "application/x-www-form-urlencoded" or _length(request) > MAX_BODY:
        raise _Refused("invalid_request", "Send a short form (application/x-www-form-urlencoded).")
    try:
        key = _authenticate(request, *_client(request))
    except errors.TooManyRequests as error:
        raise _Refused("invalid_client", error.sentence, 429, retry_after=error.retry_after) from None
    if request.POST.get("grant_type") != "client_credentials":
        raise _Refused("unsupported_grant_type", "Send grant_type=client_credentials.")
    # A token does what its key does: asking for more is an error, asking for less cannot be honoured.
    if (asked := request.POST.get("scope", "").split()) and set(asked) != set(key.scopes):
        raise _Refused("invalid_scope", f"This key's scope is: {' '.join(key.scopes)}.")
    secret, lifetime = credentials.issue_token(key)
    return {
        "access_token": secret,
        "token_type": "Bearer",
        "expires_in": int(lifetime.total_seconds()),
        "scope": " ".join(key.scopes),
    }


def _client(request: HttpRequest) -> tuple[str, str]:
    """Id and secret by HTTP Basic or in the form, never both (RFC 6749 Section 2.3.1)."""
    header, form = request.headers.get("Authorization", ""), request.POST
    if not header:
        return form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic" or "client_secret" in form:
        raise _Refused("invalid_request", "Send the client's secret once: by HTTP Basic or in the form.")
    try:
        ident, _, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise _unknown() from None
    return unquote_plus(ident), unquote_plus(secret)


def _authenticate(request: HttpRequest, client_id: str, secret: str) -> ApiKey:
    if not secret.startswith(f"{credentials.KEY_PREFIX}_"):
        secret = ""  # a token is no client secret: it would renew itself for ever
    try:
        who = callers.authenticate_secret(request, secret)
    except InvalidCredentials:
        raise _unknown() from None
    if who.ident != f"key:{client_id}":
        callers.count_failure(limits.source_of(request), client_id[:24])
        raise _unknown()
    key = ApiKey.objects.get(public_id=client_id)
    audit.record(who, "token.issue", organization_id=key.organization_id, subject=who.ident)
    return key


def _unknown() -> _Refused:
    return _Refused("invalid_client", "The client id and secret are the id of a key and the key itself.", 401)


def _length(request: HttpRequest) -> int:
    text = request.META.get("CONTENT_LENGTH") or "0"
    return int(text) if text.isdigit() else MAX_BODY + 1


def _answer(body: dict[str, str | int] | dict[str, str], *, status: int = 200) -> JsonResponse:
    return JsonResponse(body, status=status, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})
