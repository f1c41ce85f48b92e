"""Errors of the API as problem details: those of the exchange by its one table, those of the framework by ours."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, JsonResponse
from rest_framework import exceptions

from exchange import problems
from transfers import errors

# What validators of every text refuse, by the framework's code.
_CHARACTERS: Final = {
    "null_characters_not_allowed": "Leave out the NUL character: no text holds one.",
    "surrogate_characters_not_allowed": "Leave out the half of a surrogate pair: it is no character.",
}


def answer(error: Exception, context: Mapping[str, Any]) -> HttpResponse:  # Any: what DRF hands to a handler
    """The exception handler of the API."""
    request = context["request"]._request
    if isinstance(error, exceptions.ValidationError):
        return invalid(flatten(error.detail))
    if isinstance(error, errors.InvalidField):
        return invalid([(error.field, error.sentence)])
    if isinstance(error, exceptions.MethodNotAllowed):
        return problems.problem(problems.MethodNotAllowed(", ".join(context["view"].allowed_methods)), request)
    return problems.problem(translate(error), request)


def translate(error: Exception) -> Exception:
    """A framework's error as the exchange's own; anything else as it is."""
    if isinstance(error, exceptions.NotAuthenticated):
        return problems.Unauthenticated()
    if isinstance(error, exceptions.PermissionDenied | PermissionDenied):
        return errors.Forbidden("Send the CSRF token of your session with the request, or use a key.")
    if isinstance(error, exceptions.NotFound | Http404):
        return errors.NotFound()
    if isinstance(error, exceptions.NotAcceptable):
        return errors.NotAcceptable("What is answered here is JSON: accept application/json.")
    if isinstance(error, exceptions.UnsupportedMediaType):
        return errors.UnsupportedMediaType("Send application/json.")
    if isinstance(error, exceptions.Throttled):
        return errors.TooManyRequests(retry_after=max(1, int(getattr(error, "wait", None) or 1)))
    if isinstance(error, exceptions.ParseError):
        return errors.BadRequest("The body is not valid JSON in UTF-8. Names and texts stand in double quotes.")
    return error


def invalid(fields: Sequence[tuple[str, str]]) -> HttpResponse:
    """400 that names each field and what would be right."""
    status = HTTPStatus.BAD_REQUEST
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": " ".join(f"{name}: {sentence}" if name else sentence for name, sentence in fields),
        "errors": [{"field": name, "detail": sentence} for name, sentence in fields],
    }
    return JsonResponse(
        body, status=status, content_type="application/problem+json", headers={"Cache-Control": "no-store"}
    )


def flatten(detail: Any, field: str = "") -> list[tuple[str, str]]:  # Any: lists and objects of error details
    """Each sentence with the dotted path of its field."""
    if isinstance(detail, Mapping):
        return [one for name, inner in detail.items() for one in flatten(inner, _joined(field, str(name)))]
    if isinstance(detail, Sequence) and not isinstance(detail, str):
        return [one for inner in detail for one in flatten(inner, field)]
    return [(field, _CHARACTERS.get(getattr(detail, "code", ""), str(detail)))]


def _joined(field: str, name: str) -> str:
    if name == "non_field_errors":
        return field
    return f"{field}.{name}" if field else name
