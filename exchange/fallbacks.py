"""What is answered where no view is reached, or one fails unseen: problem details to programs, pages to people.

Django calls the handlers by their names in exchange/urls.py.
"""

import sys
from datetime import UTC, datetime
from typing import Final

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template import loader
from django.views import defaults

from exchange import problems
from transfers import errors

_FOR_PROGRAMS: Final = ("/api", "/dicomweb", "/wado", "/oauth")


def say(request: HttpRequest, error: Exception) -> HttpResponse:
    """An error as problem details to a program, else as one line of text."""
    problem = problems.problem(error, request)
    if not _is_for_programs(request):
        problem.content = f"{problems.sentence_of(error)}\n".encode()
        problem["Content-Type"] = "text/plain; charset=utf-8"
    return problem


def closed(request: HttpRequest, note: str) -> HttpResponse:
    """Maintenance, made without the database: problem details to a program, a page to a person."""
    problem = problems.problem(errors.Unavailable(f"The exchange is closed for maintenance. {note}".strip()), request)
    if _is_for_programs(request):
        return problem
    page = loader.render_to_string("503.html", {"note": note, "now": datetime.now(UTC)})  # no request: nobody is read
    return HttpResponse(page, status=problem.status_code, headers={"Cache-Control": "no-store"})


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without its token; Django gives the reason, which says nothing to whoever sent it."""
    if _is_for_programs(request):
        return problems.problem(errors.Forbidden(), request)
    return render(request, "403_csrf.html", status=403)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A host name that is not ours, or a request that Django itself gives up on."""
    if isinstance(exception, DisallowedHost):
        return say(request, errors.BadRequest(f"This exchange has another host name: ask {settings.PUBLIC_URL}."))
    return say(request, errors.BadRequest())


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if _is_for_programs(request):
        return problems.problem(errors.Forbidden(), request)
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """An address that nothing answers to, by the very bytes of what is not the caller's."""
    if _is_for_programs(request):
        return problems.problem(errors.NotFound(), request)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    if _is_for_programs(request):
        error = sys.exception()
        return problems.problem(error if isinstance(error, Exception) else Exception(), request)
    return defaults.server_error(request)


def _is_for_programs(request: HttpRequest) -> bool:
    return request.path_info.startswith(_FOR_PROGRAMS)
