"""A report or another document for a transfer: its bytes as the body, what is said of it beside them.

What could name a patient (a title, an accession number) comes in header fields, never in the URL.
"""

from typing import Any, Final
from urllib.parse import unquote
from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from exchange import bodies
from exchange.api import answers, base, fields, schema
from exchange.api.authentication import caller
from transfers import documenting, errors
from transfers.documenting import AttachedDocument, Description

_ASKED: Final = ("status", "study_instance_uid", "replaces")
_HEADER: Final = OpenApiParameter.HEADER


class Said(serializers.Serializer[Any]):
    """What the header fields and the query say of a document."""

    status = fields.ChoiceField(choices=list(documenting.STATUSES), default="final")
    title = fields.CharField(default="", allow_blank=True, max_length=200)
    study_instance_uid = fields.RegexField(
        r"^[0-9.]{1,64}$",
        default="",
        allow_blank=True,
        error_messages={"invalid": "Give a UID: digits and dots, 64 at most."},
    )
    accession_number = fields.CharField(default="", allow_blank=True, max_length=64)
    issuer = fields.CharField(default="", allow_blank=True, max_length=200)
    replaces = fields.IntegerField(default=None, allow_null=True, min_value=1)


class DocumentsView(base.View):
    @schema.operation(
        "transfers_attach_document",
        "Attach a document; for an available transfer it becomes a follow-up",
        "For the sender. The body is the document, at most 256 MiB; the same document twice is one. What could name a "
        "patient goes into header fields, percent-encoded.",
        answer=answers.Attached,
        request=dict.fromkeys(documenting.MEDIA_TYPES, OpenApiTypes.BINARY),
        status=201,
        fails=(400, 403, 404, 409, 410, 411, 413, 415, 503),
        parameters=[
            OpenApiParameter("status", str, enum=list(documenting.STATUSES), description="Default: final."),
            OpenApiParameter("study_instance_uid", str, description="The study it belongs to."),
            OpenApiParameter("replaces", int, description="The number of the document it takes the place of."),
            OpenApiParameter("Document-Title", str, _HEADER, description="Percent-encoded UTF-8."),
            OpenApiParameter("Accession-Number", str, _HEADER, description="The request it answers."),
            OpenApiParameter("Accession-Issuer", str, _HEADER, description="Who gave the accession number."),
        ],
    )
    def post(self, request: Request, transfer_id: UUID) -> HttpResponseBase:
        http = request._request
        length = bodies.content_length(http)
        if length is None:
            raise errors.LengthRequired
        attached = documenting.attach(
            caller(request),
            transfer_id=transfer_id,
            chunks=bodies.read_chunks(http),
            length=length,
            description=_description(request),
        )
        status = 201 if attached.is_new else 200
        return base.respond(base.answer_with(answers.Attached(_fields(attached)), status=status))


def _description(request: Request) -> Description:
    base.refuse_unknown(request, *_ASKED)
    query, headers = request.query_params, request.headers
    said = Said(
        data={
            **{name: query[name] for name in _ASKED if name in query},
            "title": unquote(headers.get("Document-Title", "")),
            "accession_number": unquote(headers.get("Accession-Number", "")),
            "issuer": unquote(headers.get("Accession-Issuer", "")),
        }
    )
    said.is_valid(raise_exception=True)
    media_type = (request.content_type or "").partition(";")[0].strip().lower()
    return Description(media_type=media_type, **said.validated_data)


def _fields(attached: AttachedDocument) -> dict[str, Any]:  # Any: the fields of Attached
    return {
        "id": attached.id,
        "transfer": attached.transfer_id,
        "sha256": attached.sha256.hex(),
        "size": attached.size,
        "is_new": attached.is_new,
    }
