"""A session ends with its idle time, and whatever is done in it after so many hours: a stolen cookie grows old."""

import time
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.http.response import HttpResponseBase

_SINCE: Final = "since"


class LongestSession:
    """Middleware, after the one that reads the user: a session that began too long ago is nobody's any more."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        session = request.session
        if SESSION_KEY in session:
            since = session.setdefault(_SINCE, time.time())
            if time.time() - since > settings.EXCHANGE_SESSION_LONGEST_SECONDS:
                session.flush()
                request.user = AnonymousUser()
        return self.get_response(request)
