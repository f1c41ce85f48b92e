"""Store: STOW-RS of PS3.10 files (PS3.18 Section 10.5).

Guard, one call, answer: who may push where is decided before a byte of the body is read.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from accounts.principals import Principal
from exchange import bodies, problems
from exchange.dicomweb import guard
from transfers import access, errors, receiving
from transfers.formats import mediatypes, multipart
from transfers.receiving import Failed, Outcome, Stored

# One status where nothing was stored and all for the same want of room; else 409 (PS3.18 Section 10.5.3.1).
_ALL_FAILED_WITH: Final[tuple[tuple[type[errors.ExchangeError], int], ...]] = (
    (errors.QuotaExceeded, 413),
    (errors.StorageFull, 507),
    (errors.Unavailable, 503),
)
_COMMENT_LENGTH: Final = 64  # VR LO, PS3.5 Table 6.2-1


@csrf_exempt
@require_POST
def store(request: HttpRequest, *, address: str = "", transfer_id: UUID | None = None, study: str = "") -> HttpResponse:
    """`POST …/to/{address}/studies[/{study}]`, `…/transfers/{id}/studies[/{study}]`, `…/studies[/{study}]`."""
    with guard.answering(request) as answer:
        who = guard.require_bearer(request)
        destination = _destination(who, address=address, transfer_id=transfer_id)
        parts = _parts(request)
        outcome = receiving.receive(who, destination, parts, study_instance_uid=study)
        answer.response = store_response(outcome)
    return answer.response


def _destination(who: Principal, *, address: str, transfer_id: UUID | None) -> access.Destination:
    if address:
        return access.destination_of_address(who, address)
    if transfer_id is not None:
        return access.destination_of_transfer(who, transfer_id)
    return access.draft_destination(who)


def _parts(request: HttpRequest) -> Iterator[Iterable[bytes | memoryview]]:
    """The instances of a request (PS3.18 Section 10.5.2).

    A bare `application/dicom` body is not in the Store table; several clients send it, so it is accepted with a
    length. Metadata with bulk data in separate parts is answered 415.
    """
    content_type = mediatypes.parse_media_type(request.META.get("CONTENT_TYPE", ""))
    if content_type.essence == "application/dicom":
        if bodies.content_length(request) is None:
            raise errors.LengthRequired
        return iter([bodies.read_chunks(request)])
    if content_type.essence != "multipart/related":
        raise errors.UnsupportedMediaType('Send multipart/related; type="application/dicom", or application/dicom.')
    if content_type.params.get("type", "application/dicom").lower() != "application/dicom":
        raise errors.UnsupportedMediaType("Only parts of type application/dicom are stored here.")
    boundary = content_type.params.get("boundary", "")
    if not boundary:
        raise errors.BadRequest("The Content-Type has no boundary (RFC 2046 Section 5.1.1).")
    bodies.content_length(request)  # a malformed length is refused before anything is read
    return _instances(multipart.iter_parts(bodies.read_chunks(request), boundary=boundary.encode()))


def _instances(parts: Iterator[multipart.Part]) -> Iterator[Iterable[bytes | memoryview]]:
    for part in parts:
        yield part.chunks


def store_response(outcome: Outcome) -> HttpResponse:
    """Status and Store Instances Response Module (PS3.18 Sections 10.5.3.1 and 10.5.3.2).

    The type carries no charset: clients compare the string.
    """
    response = HttpResponse(
        json.dumps(_module(outcome)), status=_status(outcome), content_type="application/dicom+json"
    )
    response["Cache-Control"] = "no-store"
    if outcome.transfer_ids:
        response["Location"] = f"{_base(outcome.transfer_ids[0])}/studies"
    if outcome.cut is not None:
        response["Warning"] = f'299 {settings.PUBLIC_URL} "{outcome.cut.sentence}"'
    if response.status_code in (503, 507):
        response["Retry-After"] = "60"
    return response


def _status(outcome: Outcome) -> int:
    if outcome.cut is not None:
        return 503 if isinstance(outcome.cut, errors.Unavailable) else 400
    if not outcome.stored and not outcome.failed:
        return 400
    if not outcome.failed:
        return 200
    if outcome.stored:
        return 202
    for kind, status in _ALL_FAILED_WITH:
        if all(isinstance(one.error, kind) for one in outcome.failed):
            return status
    return 409


def _module(outcome: Outcome) -> dict[str, Any]:  # Any: DICOM JSON
    named = [one for one in outcome.failed if one.sop_instance_uid]
    nameless = [one for one in outcome.failed if not one.sop_instance_uid]
    module: dict[str, Any] = {"00081190": _retrieve_url(outcome)}
    if named:
        module["00081198"] = {"vr": "SQ", "Value": [_failed_item(one) for one in named]}
    if outcome.stored:
        module["00081199"] = {"vr": "SQ", "Value": [_stored_item(one) for one in outcome.stored]}
    if nameless:
        module["0008119A"] = {"vr": "SQ", "Value": [_reason_item(one) for one in nameless]}
    return module


def _retrieve_url(outcome: Outcome) -> dict[str, Any]:  # Any: DICOM JSON
    """The study's URL, empty where the request held several (Type 2)."""
    studies = {(one.transfer_id, one.study_instance_uid) for one in outcome.stored}
    if len(studies) != 1:
        return {"vr": "UR"}
    transfer_id, study = studies.pop()
    return {"vr": "UR", "Value": [f"{_base(transfer_id)}/studies/{study}"]}


def _stored_item(one: Stored) -> dict[str, Any]:  # Any: DICOM JSON
    url = (
        f"{_base(one.transfer_id)}/studies/{one.study_instance_uid}"
        f"/series/{one.series_instance_uid}/instances/{one.sop_instance_uid}"
    )
    return {**_uids(one), "00081190": {"vr": "UR", "Value": [url]}}


def _failed_item(one: Failed) -> dict[str, Any]:  # Any: DICOM JSON
    return {**_uids(one), **_reason_item(one)}


def _reason_item(one: Failed) -> dict[str, Any]:  # Any: DICOM JSON
    """Why: the Failure Reason of docs/errors.md, and in words (Error Comment, PS3.7 Annex C)."""
    sentence = one.error.sentence
    comment = sentence if len(sentence) <= _COMMENT_LENGTH else sentence[: _COMMENT_LENGTH - 1] + "…"
    return {
        "00000902": {"vr": "LO", "Value": [comment]},
        "00081197": {"vr": "US", "Value": [problems.row_of(one.error).code]},
    }


def _uids(one: Stored | Failed) -> dict[str, Any]:  # Any: DICOM JSON
    return {
        "00081150": {"vr": "UI", "Value": [one.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [one.sop_instance_uid]},
    }


def _base(transfer_id: UUID) -> str:
    return f"{settings.PUBLIC_URL}/dicomweb/transfers/{transfer_id}"
