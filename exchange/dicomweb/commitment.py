"""Storage commitment: what of a list of instances is kept, and until when (DICOM PS3.18 Section 13).

It is answered at once, so nobody has to ask again; the answer can be read again for a week.
"""

import json
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from exchange import bodies
from exchange.dicomweb import guard, negotiation
from transfers import errors, vouching
from transfers.formats import commitment, filemeta, mediatypes, nativexml
from transfers.formats.mediatypes import MediaType
from transfers.vouching import Vouched

MAX_BODY: Final = 4 << 20
GIVES: Final = (MediaType("application", "dicom+json"), MediaType("application", "dicom+xml"))
TAKES: Final = ("application/dicom+json",)


@csrf_exempt
def ask(request: HttpRequest, *, transaction: str, transfer_id: UUID | None = None, address: str = "") -> HttpResponse:
    """`POST …/commitment-requests/{transactionUID}` (PS3.18 Section 13.1)."""
    with guard.answering(request) as answer:
        who = guard.require_bearer(request)
        choice = negotiation.choose(request, GIVES)
        asked = commitment.references(_data_set(request))
        vouched = vouching.vouch(who, _uid(transaction), asked, url_of=_base_of, transfer_id=transfer_id)
        answer.response = _response(vouched, choice)
    return answer.response


@csrf_exempt
def read(request: HttpRequest, *, transaction: str, transfer_id: UUID | None = None, address: str = "") -> HttpResponse:
    """`GET …/commitment-requests/{transactionUID}` (PS3.18 Section 13.2)."""
    with guard.answering(request) as answer:
        who = guard.require_caller(request)
        choice = negotiation.choose(request, GIVES)
        answer.response = _response(vouching.recall(who, transaction), choice)
    return answer.response


def _base_of(transfer_id: UUID) -> str:
    return guard.base_url(transfer_id=transfer_id)


def _uid(text: str) -> str:
    try:
        return filemeta.uid(text.encode("ascii", "replace"))
    except errors.MalformedInstance:
        raise errors.BadRequest("The Transaction UID of the URL is malformed.") from None


def _data_set(request: HttpRequest) -> Any:  # Any: JSON from outside
    """The one data set of the body, by itself or as the only one of an array."""
    essence = mediatypes.parse_media_type(request.META.get("CONTENT_TYPE", "")).essence
    if essence not in (*TAKES, "application/json"):
        raise errors.UnsupportedMediaType("Send the references as application/dicom+json.")
    octets = bytearray()
    for chunk in bodies.read_chunks(request):
        octets += chunk
        if len(octets) > MAX_BODY:
            raise errors.TooBroad("A request for commitment has at most 4 MiB.")
    try:
        body = json.loads(octets)
    except (ValueError, RecursionError):
        raise errors.BadRequest("The body is no JSON.") from None
    return body[0] if isinstance(body, list) and len(body) == 1 else body


def _response(vouched: Vouched, choice: negotiation.Choice) -> HttpResponse:
    is_json = choice.offer is GIVES[0]
    body = json.dumps(vouched.members).encode() if is_json else nativexml.encode_members(vouched.members)
    response = HttpResponse(body, content_type=str(choice.offer))
    response["Cache-Control"] = "private, no-store"
    if vouched.until is not None:
        until = vouched.until.strftime("%Y-%m-%dT%H:%M:%SZ")
        text = f"Committed until {until}, when the first of these transfers ends. This is an exchange, not an archive."
        response["Warning"] = f'299 {settings.PUBLIC_URL} "{text}"'
    return response
