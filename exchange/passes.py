"""The cookie that stands for a second factor once given: signed, for one link's pages alone, at most 15 idle minutes.

It holds the number of the grant and the moment the factor was given, nothing else. What the link may still do is
asked of the database at every request.
"""

import time
from typing import Final

from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase

IDLE: Final = 15 * 60
LONGEST: Final = 8 * 3600
_SALT: Final = "exchange.portal.grant"
_NAME: Final = "grant"


def give(response: HttpResponseBase, grant_id: int, *, since: float | None = None) -> None:
    """Set the cookie, or renew it: its idle time begins again, its whole time does not."""
    value = signing.TimestampSigner(salt=_SALT).sign_object([grant_id, since or time.time()])
    response.set_cookie(
        _NAME,
        value,
        max_age=IDLE,
        path=f"/g/{grant_id}/",
        secure=settings.IS_HTTPS,
        httponly=True,
        samesite="Lax",
    )


def since(request: HttpRequest, grant_id: int) -> float | None:
    """When the factor was given for this grant; None without a cookie that says so."""
    try:
        held, moment = signing.TimestampSigner(salt=_SALT).unsign_object(request.COOKIES.get(_NAME, ""), max_age=IDLE)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    is_ours = held == grant_id and time.time() - moment < LONGEST
    return float(moment) if is_ours else None


def take(response: HttpResponseBase, grant_id: int) -> None:
    response.delete_cookie(_NAME, path=f"/g/{grant_id}/", samesite="Lax")
