"""Content-Security-Policy: nothing but our own styles and pictures; scripts only where a page cannot do without."""

from typing import Final

from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest
from django.http.response import HttpResponseBase

# The admin and the readable page of the API bring their own script files; no page has any inline.
_WITH_SCRIPTS: Final = ("admin:", "api:docs")
_SCRIPTS: Final = {
    "script-src": ["'self'"],
    "connect-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "font-src": ["'self'"],
}


class ContentSecurityPolicy(CSPMiddleware):
    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request=request, response=response, report_only=report_only)
        name = request.resolver_match.view_name if request.resolver_match else ""
        if not report_only and name.startswith(_WITH_SCRIPTS):
            parts.replace = {**(parts.replace or {}), **_SCRIPTS}
        return parts
