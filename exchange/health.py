"""Two questions a load balancer and an operator ask: does this process answer, and could it do its work?

Both are open to all, so an answer names what fails and never why.
"""

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Min
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.module_loading import import_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from transfers import errors
from transfers.expiring import braking
from transfers.models import Job

REMEMBER = 5.0  # seconds an answer holds: nobody can wear the storage out by asking
_remembered: dict[str, tuple[float, bool]] = {}


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """This process takes requests."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Database, storage and keys are there; 503 if one is not.

    Late jobs are told but make nobody unready: a node taken out of service would not help them. Nor does
    maintenance, in which an operator asks here whether all works before the doors open again.
    """
    parts = {
        "database": _holds("database", _ask_database),
        "storage": _holds("storage", import_string(settings.STORAGE_PROBE)),
        "keys": _holds("keys", import_string(settings.KEYS_FINGERPRINT)),
    }
    answer: dict[str, Any] = {name: "ok" if holds else "failing" for name, holds in parts.items()}  # Any: JSON
    answer["maintenance"] = ("on" if braking.is_on(braking.MAINTENANCE) else "off") if parts["database"] else None
    answer["job_lag_seconds"] = _job_lag() if parts["database"] else None
    return JsonResponse(answer, status=200 if all(parts.values()) else 503)


def _holds(name: str, ask: Callable[[], object]) -> bool:
    asked, holds = _remembered.get(name, (0.0, False))
    if time.monotonic() - asked > REMEMBER or not holds:
        try:
            ask()
            holds = True
        except (DatabaseError, OSError, errors.ExchangeError):
            holds = False
        _remembered[name] = (time.monotonic(), holds)
    return holds


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _job_lag() -> int:
    """Seconds the oldest due job has waited beyond its time."""
    waiting = Job.objects.filter(state=Job.State.WAITING, due_at__lte=Now())
    oldest = waiting.aggregate(oldest=Min("due_at"))["oldest"]
    return int((timezone.now() - oldest).total_seconds()) if oldest else 0
