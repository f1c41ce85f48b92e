"""What every page does: it is rendered for one reader, kept by no cache, and an error becomes a page with a way on."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from exchange import problems
from transfers import errors

# What a refusal is called; one word for one thing, on every page.
TITLES: Final = {
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    410: "No longer there",
    429: "Too often",
}
_NOT_THUS: Final = "This address cannot be used in this way. Go back to where you came from, or begin anew."

# Called with the request and the names of the URL.
View = Callable[..., HttpResponseBase]


def page(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any] | None = None,  # Any: what a template shows
    *,
    status: int = 200,
) -> HttpResponse:
    response = render(request, f"portal/{template}.html", {**(context or {})}, status=status)
    response["Cache-Control"] = "no-store"
    return response


def refusing(view: View) -> View:
    """Show what a view refuses as a page, in the words of the error."""

    @wraps(view)
    def shown(request: HttpRequest, **names: Any) -> HttpResponseBase:  # Any: names of the URL
        try:
            return view(request, **names)
        except errors.ExchangeError as error:
            return refusal(request, error)

    return shown


def refusal(request: HttpRequest, error: errors.ExchangeError) -> HttpResponse:
    status = problems.row_of(error).status.value
    response = page(request, "refused", {"sentence": error.sentence, "title": TITLES.get(status, "")}, status=status)
    if isinstance(error, errors.TooManyRequests):
        response["Retry-After"] = str(error.retry_after)
    return response


def only(*methods: str) -> Callable[[View], View]:
    """Refuse every other method, by a page with a way on (RFC 9110 Section 15.5.6)."""

    def limited(view: View) -> View:
        @wraps(view)
        def asked(request: HttpRequest, **names: Any) -> HttpResponseBase:  # Any: names of the URL
            if request.method in methods:
                return view(request, **names)
            context = {"title": TITLES[405], "sentence": _NOT_THUS}
            response = page(request, "refused", context, status=405)
            response["Allow"] = ", ".join(methods)
            return response

        return asked

    return limited


def secret(view: View) -> View:
    """For pages whose address is itself a secret: no other site learns it, and no search engine lists it."""

    @wraps(view)
    def hidden(request: HttpRequest, **names: Any) -> HttpResponseBase:  # Any: names of the URL
        response = view(request, **names)
        response["Referrer-Policy"] = "no-referrer"
        response["X-Robots-Tag"] = "noindex, nofollow"
        response["Cache-Control"] = "no-store"
        return response

    return hidden
