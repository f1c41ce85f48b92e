"""Transfers over JSON: list, create, read, change while a draft."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import urlencode
from rest_framework.request import Request

from exchange.api import answers, base, schema, serializers
from exchange.api.authentication import caller
from transfers import addressing
from transfers.addressing import Answer, IssuedPin
from transfers.rules.lifecycle import State


class TransfersView(base.View):
    @schema.operation(
        "transfers_list",
        "Transfers you sent or received, newest first",
        "`next` is the URL of the following page. A recipient's list holds what is or was open to it.",
        answer=answers.TransferPage,
        fails=(400,),
        parameters=[serializers.ListTransfers],
    )
    def get(self, request: Request) -> HttpResponseBase:
        asked = base.asked(request, serializers.ListTransfers)
        page = addressing.list_transfers(caller(request), **_filters(asked))
        following = _next(request, page.cursor) if page.cursor else None
        answer = answers.TransferPage({"results": page.transfers, "next": following})
        return base.respond(base.answer_with(answer))

    @schema.operation(
        "transfers_create",
        "Make a draft; PINs of links are shown in this answer only",
        "Nobody is told of a draft. Push images to `dicomweb_url`, attach documents, then `send` it.",
        answer=answers.TransferWithPins,
        request=serializers.CreateTransfer,
        status=201,
        fails=(400, 403, 404, 409, 411, 413, 415, 503),
        headers=(schema.IDEMPOTENCY_KEY,),
    )
    def post(self, request: Request) -> HttpResponseBase:
        values = base.read(request, serializers.CreateTransfer)
        if (days := values.pop("grace_days", None)) is not None:
            values["grace"] = timedelta(days=days)
        return base.once(request, lambda: _create(request, values))


class TransferView(base.View):
    @schema.operation(
        "transfers_read",
        "One transfer, with what its reader may know of it",
        "Its sender reads all of it; a recipient reads its own delivery, and what the transfer holds while it is open. "
        "What you may not see is answered like what never was.",
        answer=answers.Transfer,
        fails=(404, 503),
    )
    def get(self, request: Request, transfer_id: UUID) -> HttpResponseBase:
        return base.respond(described(request, transfer_id))

    @schema.operation(
        "transfers_change",
        "Change a draft, or add recipients to it",
        "A field left out stays as it is. PINs of links that this makes are in this answer only.",
        answer=answers.TransferWithPins,
        request=serializers.ChangeTransfer,
        fails=(400, 403, 404, 409, 410, 411, 412, 413, 415, 503),
        headers=(schema.IF_MATCH,),
    )
    def patch(self, request: Request, transfer_id: UUID) -> HttpResponse:
        values = base.read(request, serializers.ChangeTransfer)
        pins = addressing.change_draft(caller(request), transfer_id, revision=base.revision_of(request), **values)
        return base.respond(described(request, transfer_id, pins=pins))


def described(
    request: Request,
    transfer_id: UUID,
    *,
    pins: tuple[IssuedPin, ...] | None = None,
    status: int = 200,
    is_new: bool = False,
) -> Answer:
    """The transfer as its caller may see it, with the PINs that this request made."""
    view = addressing.describe(caller(request), transfer_id)
    fields = answers.transfer_of(view)
    if pins is None:
        return base.answer_with(answers.Transfer(fields), status=status, view=view)
    return base.answer_with(answers.TransferWithPins({**fields, "pins": pins}), status=status, view=view, is_new=is_new)


def _create(request: Request, values: dict[str, Any]) -> Answer:  # Any: validated values by name
    created = addressing.create(caller(request), **values)
    return described(request, created.transfer_id, pins=created.pins, status=201, is_new=True)


def _filters(values: dict[str, Any]) -> dict[str, Any]:  # Any: validated values by name
    return {**values, "state": State(values["state"])} if "state" in values else values


def _next(request: Request, cursor: str) -> str:
    query = {**request.query_params.dict(), "cursor": cursor}
    return f"{settings.PUBLIC_URL}{reverse('api:transfers')}?{urlencode(query)}"
