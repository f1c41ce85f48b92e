"""Maintenance: every door answers 503 with Retry-After until the operator opens them again.

`manage.py maintenance on` sets it, and a restore leaves it set. Asked of the database once a second a process, so
that all close together; where the database itself does not answer, the doors are closed too.
"""

import time
from collections.abc import Callable
from typing import Final

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from accounts import statements
from exchange import fallbacks

RETRY_AFTER: Final = 60
# Supervisors and operators ask these what works, before they open the doors again; static files are not a door.
_OPEN: Final = ("/healthz", "/readyz", "/metrics", "/static/")
_FRESH_SECONDS: Final = 1.0
_ASK: Final = "SELECT note FROM transfers_switch WHERE name = %s AND is_on"


class Maintenance:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._asked_at = 0.0
        self._note: str | None = None

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(_OPEN) or (note := self._recent_note()) is None:
            return self._get_response(request)
        response = fallbacks.closed(request, note)
        response["Retry-After"] = str(RETRY_AFTER)
        return response

    def _recent_note(self) -> str | None:
        now = time.monotonic()
        if now - self._asked_at > _FRESH_SECONDS:
            self._note, self._asked_at = _note(), now
        return self._note


def _note() -> str | None:
    """What to tell people, None while the doors are open."""
    try:
        rows = statements.look(_ASK, ["maintenance"])
    except DatabaseError:
        return ""
    return rows[0][0] if rows else None
