"""Maintenance: every door answers 503 with Retry-After until the operator opens them again.

`manage.py maintenance on` sets it, and a restore leaves it set. Asked of the database at every request, so that
all processes close together; where the database itself does not answer, the doors are closed too.
"""

from collections.abc import Callable
from typing import Final

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from transfers.models import Switch

RETRY_AFTER: Final = 60
# A supervisor asks these whether the processes live; static files are not a door.
_OPEN: Final = ("/healthz", "/metrics", "/static/")


class Maintenance:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(_OPEN) or (note := _note()) is None:
            return self._get_response(request)
        sentence = f"The exchange is closed for maintenance. {note}".strip()
        return HttpResponse(
            f"{sentence}\n",
            status=503,
            content_type="text/plain; charset=utf-8",
            headers={"Retry-After": str(RETRY_AFTER), "Cache-Control": "no-store"},
        )


def _note() -> str | None:
    """What to tell people, None while the doors are open."""
    try:
        return Switch.objects.filter(pk="maintenance", is_on=True).values_list("note", flat=True).first()
    except DatabaseError:
        return ""
