"""What every view of the API does: answer with a revision, heed If-Match, and carry a keyed POST out once."""

import json
import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from exchange.api.authentication import caller
from transfers import addressing, errors
from transfers.addressing import Answer, TransferView

_TAG = re.compile(r'"([0-9]{1,9})"')


class View(APIView):
    """A view that refuses a body it could not see: Django takes a chunked one for empty."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:  # Any: names of the URL
        super().initial(request, *args, **kwargs)
        if request.META.get("HTTP_TRANSFER_ENCODING") and request.META.get("CONTENT_LENGTH", "") == "":
            self.refuse_chunked()

    def refuse_chunked(self) -> None:
        raise errors.LengthRequired("Send the JSON with a Content-Length.")


def read(request: Request, serializer: type[Serializer[Any]]) -> dict[str, Any]:  # Any: validated values by name
    """The validated body; raises ValidationError that names every wrong field."""
    checked = serializer(data=request.data)
    checked.is_valid(raise_exception=True)
    values: dict[str, Any] = checked.validated_data
    return values


def asked(request: Request, serializer: type[Serializer[Any]]) -> dict[str, Any]:  # Any: validated values by name
    """The validated query; raises ValidationError that names every wrong or unknown parameter."""
    checked = serializer(data=request.query_params)
    checked.is_valid(raise_exception=True)
    values: dict[str, Any] = checked.validated_data
    return values


def refuse_unknown(request: Request, *known: str) -> None:
    """Refuse a query with a parameter that this operation does not know: a misspelt one would silently do nothing."""
    if unknown := set(request.query_params) - set(known):
        raise ValidationError(dict.fromkeys(sorted(unknown), f"Unknown parameter. Known here: {', '.join(known)}."))


def revision_of(request: Request) -> int | None:
    """The revision that If-Match names; None where any will do (RFC 9110 Section 13.1.1).

    A tag that is not one of ours cannot match anything.
    """
    header = request.headers.get("If-Match", "").strip()
    if header in ("", "*"):
        return None
    known = [int(tag[1]) for one in header.split(",") if (tag := _TAG.fullmatch(one.strip()))]
    if not known:
        raise errors.PreconditionFailed('Send If-Match with the ETag of your last reading, such as "7".')
    return max(known)  # revisions only grow: an older one of a list cannot be current where a newer one was read


def once(request: Request, act: Callable[[], Answer]) -> HttpResponse:
    """Carry a POST out, once for each Idempotency-Key."""
    said = json.dumps(request.data, sort_keys=True, separators=(",", ":"), default=str)
    whole = "\0".join([request.method or "", request.path, request.headers.get("If-Match", ""), said])
    answer = addressing.once(
        caller(request), request.headers.get("Idempotency-Key", ""), request=whole.encode(), act=act
    )
    return respond(answer)


def respond(answer: Answer) -> HttpResponse:
    """An answer as HTTP; patient data are never cached."""
    response = HttpResponse(answer.body or b"", status=answer.status)
    if answer.body:
        response["Content-Type"] = "application/json"
    response["Cache-Control"] = "private, no-store"
    for name, value in answer.headers.items():
        response[name] = value
    return response


def answer_with(
    serialized: Serializer[Any], *, status: int = 200, view: TransferView | None = None, is_new: bool = False
) -> Answer:
    """A serialized answer; one about a transfer carries its revision as ETag, a new one its place."""
    headers = {} if view is None else {"ETag": f'"{view.revision}"'}
    if view is not None and is_new:
        headers["Location"] = settings.PUBLIC_URL + reverse("api:transfer", args=[view.id])
    body = JSONRenderer().render(serialized.data)
    return Answer(status, body, headers, view.id if view else None)
