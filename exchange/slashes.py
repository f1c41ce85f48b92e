"""An address without the slash at its end leads to the one with it, and what was sent comes along."""

from django.http import HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware


class _Kept(HttpResponsePermanentRedirect):
    """After a 301 most programs send a GET: what was to be made would be listed (RFC 9110 Section 15.4.9)."""

    status_code = 308


class Slashes(CommonMiddleware):
    response_redirect_class = _Kept
