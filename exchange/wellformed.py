"""Addresses that name nothing: control characters in a path, and NUL in a query, which no column can hold.

They are refused before any door sees them (RFC 3986 Section 7.3), so that no door has to think of it.
"""

import re
from collections.abc import Callable
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from exchange import problems
from transfers import errors

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


# What describes a body has no place where there can be none (RFC 9110 Sections 8.6 and 15.4.5).
_WITHOUT_BODY: Final = (204, 304)


class WellFormed:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if _CONTROL.search(request.path_info) or "%00" in request.META.get("QUERY_STRING", ""):
            return problems.problem(errors.BadRequest("The address holds a control character: write it without."))
        response = self._get_response(request)
        if response.status_code in _WITHOUT_BODY:
            for name in ("Content-Length", "Content-Type"):
                response.headers.pop(name, None)
        return response
