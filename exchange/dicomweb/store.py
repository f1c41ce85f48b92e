"""Store: STOW-RS of PS3.10 files, and of metadata with bulk data (PS3.18 Section 10.5).

Guard, one call, answer: who may push where is decided before a byte of the body is read.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from accounts.principals import Principal
from exchange import bodies, problems
from exchange.dicomweb import guard, negotiation, search
from transfers import access, errors, receiving
from transfers.formats import mediatypes, multipart, nativexml
from transfers.formats.mediatypes import MediaType
from transfers.receiving import BulkPart, Composition, Failed, Outcome, Stored

# One status where nothing was stored and all for the same want of room; else 409 (PS3.18 Section 10.5.3.1).
_ALL_FAILED_WITH: Final[tuple[tuple[type[errors.ExchangeError], int], ...]] = (
    (errors.QuotaExceeded, 413),
    (errors.StorageFull, 507),
    (errors.Unavailable, 503),
)
_COMMENT_LENGTH: Final = 64  # VR LO, PS3.5 Table 6.2-1
_MOST_WARNINGS: Final = 5
_FILES: Final = "application/dicom"
_METADATA: Final = "application/dicom+json"
_MODELS: Final = (MediaType("application", "dicom+json"), MediaType("application", "dicom+xml"))
GIVES: Final = tuple(map(str, _MODELS))
TAKES: Final = (negotiation.multipart_of(_FILES), negotiation.multipart_of(_METADATA), _FILES)
_UNREADABLE: Final = MediaType("application", "x-unreadable")

Part = Iterable[bytes | memoryview]


@dataclass(frozen=True, slots=True)
class _Body:
    """The instances of a request, and what puts them together where they do not come as files."""

    instances: Iterable[Part]
    composition: Composition | None = None

    @property
    def warnings(self) -> list[str]:
        if self.composition is None or not self.composition.unnamed:
            return []
        return [f"{self.composition.unnamed} parts are named by no BulkDataURI and were not stored"]


@csrf_exempt
@require_POST
def store(
    request: HttpRequest, *, address: str = "", transfer_id: UUID | None = None, study: str = ""
) -> HttpResponseBase:
    """`POST …/to/{address}/studies[/{study}]`, `…/transfers/{id}/studies[/{study}]`, `…/studies[/{study}]`."""
    with guard.answering(request) as answer:
        who = guard.require_bearer(request)
        if not address and not study and _is_form(request):
            return guard.Reading(search.studies_by_form)(request, transfer_id=transfer_id)
        destination = _destination(who, address=address, transfer_id=transfer_id)
        body = _body(request)
        outcome = receiving.receive(who, destination, body.instances, study_instance_uid=study)
        answer.response = store_response(outcome, model=_model(request), warnings=body.warnings)
    return answer.response


def _is_form(request: HttpRequest) -> bool:
    """A search for studies whose keys are not to stand in a URL."""
    essence: str = request.META.get("CONTENT_TYPE", "").partition(";")[0]
    return essence.strip().lower() == search.FORM


def _destination(who: Principal, *, address: str, transfer_id: UUID | None) -> access.Destination:
    if address:
        return access.destination_of_address(who, address)
    if transfer_id is not None:
        return access.destination_of_transfer(who, transfer_id)
    return access.draft_destination(who)


def _body(request: HttpRequest) -> _Body:
    """What a request holds (PS3.18 Table 10.5.2-1).

    A bare `application/dicom` body is not in the Store table; several clients send it, so it is accepted with a
    length. Without a `type` the first part says what comes.
    """
    content_type = mediatypes.parse_media_type(request.META.get("CONTENT_TYPE", ""))
    if content_type.essence == _FILES:
        if bodies.content_length(request) is None:
            raise errors.LengthRequired
        return _Body([bodies.read_chunks(request)])
    if content_type.essence != "multipart/related":
        raise errors.UnsupportedMediaType('Send multipart/related; type="application/dicom", or application/dicom.')
    root = content_type.params.get("type", "").lower()
    _ensure_taken(root or _FILES)
    boundary = content_type.params.get("boundary", "")
    if not boundary:
        raise errors.BadRequest("The Content-Type has no boundary (RFC 2046 Section 5.1.1).")
    bodies.content_length(request)  # a malformed length is refused before anything is read
    parts = multipart.iter_parts(bodies.read_chunks(request), boundary=boundary.encode())
    if root == _FILES:
        return _Body(part.chunks for part in parts)
    return _body_of_first(request, parts, root)


def _body_of_first(request: HttpRequest, parts: Iterator[multipart.Part], root: str) -> _Body:
    """Metadata come in the first part, in front of the bulk data that they name (PS3.18 Section 8.6.1.2)."""
    first = next(parts, None)
    if first is None:
        return _Body([])
    essence = _media_type(first).essence if "content-type" in first.headers else root or _FILES
    if essence not in (_METADATA, "application/json"):
        if root == _METADATA:
            raise errors.BadRequest("The first part is to hold the metadata, as application/dicom+json.")
        _ensure_taken(essence)
        return _Body(part.chunks for part in chain([first], parts))
    base = f"{settings.PUBLIC_URL}{request.path}"
    composition = Composition(first.chunks, map(_bulk_part, parts), base=base)
    return _Body(composition.files(), composition)


def _ensure_taken(essence: str) -> None:
    if essence == nativexml.MEDIA_TYPE:
        raise errors.UnsupportedMediaType(
            "Metadata in XML are not taken here. Send them as application/dicom+json, or whole files."
        )
    if essence not in (_FILES, _METADATA):
        raise errors.UnsupportedMediaType(
            "Parts of type application/dicom are stored here, or application/dicom+json with its bulk data."
        )


def _bulk_part(part: multipart.Part) -> BulkPart:
    location = part.headers.get("content-location", "")
    if not location and (ident := part.headers.get("content-id", "").strip("<> ")):
        location = f"cid:{ident}"  # RFC 2392
    length = part.headers.get("content-length", "")
    is_number = length.isascii() and length.isdigit() and len(length) < 16
    return BulkPart(_media_type(part), location, int(length) if is_number else None, part.chunks)


def _media_type(part: multipart.Part) -> MediaType:
    """Octets where nothing is said; what cannot be read refuses only what needs it."""
    try:
        return mediatypes.parse_media_type(part.headers.get("content-type", "application/octet-stream"))
    except errors.UnsupportedMediaType:
        return _UNREADABLE


def _model(request: HttpRequest) -> MediaType:
    """In what the outcome is told; JSON to whoever accepts neither, for what is stored must be answered."""
    try:
        return negotiation.choose(request, _MODELS).offer
    except errors.NotAcceptable:
        return _MODELS[0]


def store_response(outcome: Outcome, *, model: MediaType = _MODELS[0], warnings: Sequence[str] = ()) -> HttpResponse:
    """Status and Store Instances Response Module (PS3.18 Sections 10.5.3.1 and 10.5.3.2).

    The type carries no charset: clients compare the string.
    """
    module = _module(outcome)
    body = json.dumps(module).encode() if model is _MODELS[0] else nativexml.encode_members(module)
    response = HttpResponse(body, status=_status(outcome), content_type=str(model))
    response["Cache-Control"] = "no-store"
    if outcome.transfer_ids:
        response["Location"] = f"{_base(outcome.transfer_ids[0])}/studies"
    texts = [*([outcome.cut.sentence] if outcome.cut is not None else []), *warnings, *_too_long(outcome)]
    if texts:
        # Several values of one header are one value with commas (RFC 9110 Section 5.2).
        response["Warning"] = ", ".join(f'299 {settings.PUBLIC_URL} "{text}"' for text in texts)
    if response.status_code in (503, 507):
        response["Retry-After"] = "60"
    return response


def _too_long(outcome: Outcome) -> list[str]:
    """Sentences that an Error Comment holds the beginning of only, each once."""
    sentences = dict.fromkeys(one.error.sentence for one in outcome.failed)
    return [sentence for sentence in sentences if len(sentence) > _COMMENT_LENGTH][:_MOST_WARNINGS]


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
    if not outcome.stored and not outcome.failed:
        nameless.append(Failed("", "", outcome.cut or errors.MalformedMultipart("The body holds no instance.")))
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
