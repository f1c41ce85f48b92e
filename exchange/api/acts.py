"""What is done to a transfer: one row an act, each a POST below the transfer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from rest_framework.request import Request

from accounts.principals import Principal
from exchange.api import answers, base, schema, serializers, transfers
from exchange.api.authentication import caller
from transfers import addressing, errors, expiring
from transfers.addressing import IssuedPin

Values = dict[str, Any]  # Any: validated values by name
Perform = Callable[[Principal, UUID, Values, int | None], tuple[IssuedPin, ...]]


@dataclass(frozen=True, slots=True)
class Act:
    summary: str
    body: type[serializers.Strict]
    perform: Perform
    description: str = ""


def _send(who: Principal, transfer_id: UUID, values: Values, revision: int | None) -> tuple[IssuedPin, ...]:
    return addressing.send(who, transfer_id, recipients=values.get("recipients", ()), revision=revision)


def _declare(who: Principal, transfer_id: UUID, values: Values, revision: int | None) -> tuple[IssuedPin, ...]:
    addressing.declare(who, transfer_id, values["sop_instance_uids"], revision=revision)
    return ()


def _finalise(who: Principal, transfer_id: UUID, values: Values, revision: int | None) -> tuple[IssuedPin, ...]:
    addressing.finalise(who, transfer_id, revision=revision)
    return ()


def _release(who: Principal, transfer_id: UUID, values: Values, revision: int | None) -> tuple[IssuedPin, ...]:
    addressing.release(who, transfer_id, note=values["note"], revision=revision)
    return ()


def _extend(who: Principal, transfer_id: UUID, values: Values, revision: int | None) -> tuple[IssuedPin, ...]:
    try:
        expiring.extend(who, transfer_id, values["until"], revision)
    except errors.BadRequest as error:
        raise errors.InvalidField("until", error.sentence) from None
    return ()


def _reopen(who: Principal, transfer_id: UUID, values: Values, revision: int | None) -> tuple[IssuedPin, ...]:
    try:
        expiring.reopen(who, transfer_id, values["until"], revision)
    except errors.BadRequest as error:
        raise errors.InvalidField("until", error.sentence) from None
    return ()


def _withdraw(who: Principal, transfer_id: UUID, values: Values, revision: int | None) -> tuple[IssuedPin, ...]:
    expiring.withdraw(who, transfer_id, revision)
    return ()


def _revoke(who: Principal, transfer_id: UUID, values: Values, revision: int | None) -> tuple[IssuedPin, ...]:
    addressing.revoke(who, values["delivery"], transfer_id=transfer_id, revision=revision)
    return ()


def _renew_link(who: Principal, transfer_id: UUID, values: Values, revision: int | None) -> tuple[IssuedPin, ...]:
    return addressing.renew_link(who, transfer_id, values["delivery"], revision=revision)


def _accept(who: Principal, transfer_id: UUID, values: Values, revision: int | None) -> tuple[IssuedPin, ...]:
    addressing.accept(who, transfer_id, revision=revision)
    return ()


def _decline(who: Principal, transfer_id: UUID, values: Values, revision: int | None) -> tuple[IssuedPin, ...]:
    addressing.decline(who, transfer_id, reason=values["reason"], revision=revision)
    return ()


def _acknowledge(who: Principal, transfer_id: UUID, values: Values, revision: int | None) -> tuple[IssuedPin, ...]:
    addressing.acknowledge(who, transfer_id, revision=revision)
    return ()


ACTS: Final[Mapping[str, Act]] = {
    "send": Act(
        "Send a draft, with recipients added if you name some",
        serializers.SendTransfer,
        _send,
        "For the sender of a draft. It is validated when all is there; its recipients are told when it is available. "
        "PINs of links that this makes are in this answer only.",
    ),
    "declare": Act(
        "Say which instances belong to it",
        serializers.DeclareInstances,
        _declare,
        "For the sender of a draft or of a transfer that is being received. When all of them are here it is complete; "
        "what is missing when it is validated holds it.",
    ),
    "finalise": Act(
        "Say that everything was pushed",
        serializers.Nothing,
        _finalise,
        "For the sender of a transfer that is being received; pushes that are under way are waited for.",
    ),
    "release": Act(
        "Let a held transfer go, with a note",
        serializers.ReleaseTransfer,
        _release,
        "For the sender. Malware, damaged and unreadable data can never be released.",
    ),
    "extend": Act(
        "Keep it available longer",
        serializers.MoveEnd,
        _extend,
        "For the sender, before its end; at most 180 days in all.",
    ),
    "withdraw": Act(
        "Take it back: it is destroyed at once",
        serializers.Nothing,
        _withdraw,
        "For the sender, before it is closed. Nothing brings it back.",
    ),
    "revoke": Act(
        "Take one delivery back",
        serializers.RevokeDelivery,
        _revoke,
        "For the sender, before its end. That recipient, or the reader of that link, can open it no more; others can.",
    ),
    "renew-link": Act(
        "Give the reader of a link a new link and PIN",
        serializers.RenewLink,
        _renew_link,
        "For the sender, before its end. Earlier links of that delivery open nothing from then on. The new one goes by "
        "mail; its PIN is in this answer only.",
    ),
    "reopen": Act(
        "Open it again after it lapsed",
        serializers.MoveEnd,
        _reopen,
        "For the sender of a lapsed or fulfilled transfer, while its grace lasts.",
    ),
    "accept": Act(
        "Take what a sender without a partnership offers",
        serializers.Nothing,
        _accept,
        "For a recipient whose delivery waits for acceptance; it can be pulled from then on.",
    ),
    "decline": Act(
        "Refuse a delivery",
        serializers.DeclineTransfer,
        _decline,
        "For a recipient of an available transfer, who cannot open it afterwards. The sender reads the reason.",
    ),
    "acknowledge": Act(
        "Confirm that you have it",
        serializers.Nothing,
        _acknowledge,
        "For a recipient of an available transfer. It proves the receipt to the sender.",
    ),
}


def urlpatterns() -> list[URLPattern]:
    return [
        path(f"transfers/<uuid:transfer_id>/{name}/", _view(name, act), name=f"transfer-{name}")
        for name, act in ACTS.items()
    ]


def _view(name: str, act: Act) -> Callable[..., HttpResponseBase]:
    class ActView(base.View):
        @schema.operation(
            f"transfers_{name.replace('-', '_')}",
            act.summary,
            act.description,
            answer=answers.TransferWithPins,
            request=act.body,
            fails=(400, 403, 404, 409, 410, 411, 412, 413, 415, 503),
            headers=(schema.IDEMPOTENCY_KEY, schema.IF_MATCH),
        )
        def post(self, request: Request, transfer_id: UUID) -> HttpResponseBase:
            return base.once(request, lambda: _perform(request, transfer_id, act))

    ActView.__name__ = f"{name.title().replace('-', '')}View"
    return ActView.as_view()


def _perform(request: Request, transfer_id: UUID, act: Act) -> addressing.Answer:
    values = base.read(request, act.body)
    pins = act.perform(caller(request), transfer_id, values, base.revision_of(request))
    return transfers.described(request, transfer_id, pins=pins)
