"""A whole transfer as one file, with a length known beforehand, so that a broken download goes on."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from exchange import handover
from exchange.api import base, schema
from exchange.api.authentication import caller
from transfers import access, bundling, errors

FORMATS: Final = ("zip",)


class _AsAsked(BaseContentNegotiation):
    """The format stands in the URL; whatever a download manager accepts, it gets that."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        return next(iter(parsers), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return JSONRenderer(), "application/json"


class DownloadView(base.View):
    content_negotiation_class = _AsAsked

    @schema.operation(
        "transfers_download",
        "All of a transfer as one archive; Range and If-Range are honoured",
        "Images and documents as they were sent. The same archive has the same bytes and the same ETag, "
        "so that a download that broke off can go on.",
        answer=None,
        fails=(400, 404, 410, 416, 503),
        parameters=[OpenApiParameter("format", str, enum=list(FORMATS), description="Default: zip.")],
        binary="application/zip",
    )
    def get(self, request: Request, transfer_id: UUID) -> HttpResponseBase:
        base.refuse_unknown(request, "format")
        if request.query_params.get("format", "zip") not in FORMATS:
            raise errors.InvalidField("format", f"Give one of: {', '.join(FORMATS)}.")
        who = caller(request)
        archive = bundling.open_archive(access.sight(who, transfer_id))
        return handover.respond(request._request, archive, who=who)

    @extend_schema(exclude=True)
    def head(self, request: Request, transfer_id: UUID) -> HttpResponseBase:
        return self.get(request, transfer_id)
