"""Pages of a signed-in person: the inbox, what was sent, and one transfer with what may be done to it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, Literal
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts import authentication
from accounts.principals import Principal
from exchange import handover, problems
from exchange.portal import contents, pages
from transfers import access, addressing, bundling, errors, expiring
from transfers.addressing import TransferView
from transfers.rules.lifecycle import OVER, Access, State

PAGE: Final = 25


class _Reason(forms.Form):
    reason = forms.CharField(max_length=4000)


class _Note(forms.Form):
    note = forms.CharField(max_length=4000)


class _Sure(forms.Form):
    sure = forms.BooleanField()


@dataclass(frozen=True, slots=True)
class Act:
    """One form of the transfer's page: what it needs, what it does, what is said afterwards."""

    form: type[forms.Form]
    perform: Callable[[Principal, UUID, dict[str, Any]], object]  # Any: cleaned values by name
    done: str


ACTS: Final[dict[str, Act]] = {
    "accept": Act(forms.Form, lambda who, which, _: addressing.accept(who, which), "You have accepted it."),
    "decline": Act(
        _Reason,
        lambda who, which, values: addressing.decline(who, which, reason=values["reason"]),
        "You have declined it. The sender is told.",
    ),
    "acknowledge": Act(
        forms.Form, lambda who, which, _: addressing.acknowledge(who, which), "You have confirmed the receipt."
    ),
    "release": Act(
        _Note,
        lambda who, which, values: addressing.release(who, which, note=values["note"]),
        "It is released. The recipients are told.",
    ),
    "withdraw": Act(_Sure, lambda who, which, _: expiring.withdraw(who, which), "It is withdrawn and destroyed."),
}


def signed_in(view: Callable[..., HttpResponseBase]) -> pages.View:
    """Give a view the person who is signed in, or send the browser to the sign-in page."""

    @wraps(view)
    def guarded(request: HttpRequest, **names: Any) -> HttpResponseBase:  # Any: names of the URL
        user = request.user
        who = authentication.principal_of_user(user) if user.is_authenticated else None
        if who is None:
            return redirect_to_login(request.get_full_path(), reverse("account_login"))
        return pages.refusing(lambda _: view(request, who, **names))(request)

    return guarded


@require_safe
@signed_in
def inbox(request: HttpRequest, who: Principal) -> HttpResponseBase:
    return _list(request, who, "received")


@require_safe
@signed_in
def sent(request: HttpRequest, who: Principal) -> HttpResponseBase:
    return _list(request, who, "sent")


@require_safe
@signed_in
def transfer(request: HttpRequest, who: Principal, transfer_id: UUID) -> HttpResponseBase:
    return _show(request, who, transfer_id)


@require_POST
@signed_in
def act(request: HttpRequest, who: Principal, transfer_id: UUID, name: str) -> HttpResponseBase:
    """Do one act and show the transfer again; what is refused is said on the same page."""
    chosen = ACTS.get(name)
    if chosen is None:
        raise errors.NotFound
    form = chosen.form(request.POST)
    if not form.is_valid():
        return _show(request, who, transfer_id, failed=name, sentence=_missing(name), status=400)
    try:
        chosen.perform(who, transfer_id, form.cleaned_data)
    except (errors.NotFound, errors.Gone):
        raise
    except errors.ExchangeError as error:
        status = problems.row_of(error).status.value
        return _show(request, who, transfer_id, failed=name, sentence=error.sentence, status=status)
    messages.success(request, chosen.done)
    return HttpResponseRedirect(reverse("portal:transfer", args=[transfer_id]), status=303)


@require_safe
@signed_in
def download(request: HttpRequest, who: Principal, transfer_id: UUID) -> HttpResponseBase:
    archive = bundling.open_archive(access.sight(who, transfer_id))
    return handover.respond(request, archive, who=who)


def _list(request: HttpRequest, who: Principal, direction: Literal["sent", "received"]) -> HttpResponse:
    page = addressing.list_transfers(who, direction=direction, cursor=request.GET.get("after", ""), limit=PAGE)
    context = {"page": page, "direction": direction, "zone": who.time_zone, "is_first": "after" not in request.GET}
    return pages.page(request, "list", context)


def _show(
    request: HttpRequest, who: Principal, transfer_id: UUID, *, failed: str = "", sentence: str = "", status: int = 200
) -> HttpResponse:
    view = addressing.describe(who, transfer_id)
    context = {
        "view": view,
        "holds": contents.of_transfer(who, transfer_id),
        "zone": who.time_zone,
        "acts": _possible(who, view),
        "failed": failed,
        "sentence": sentence,
        "own": view.deliveries[0] if view.role == "recipient" and view.deliveries else None,
        "may_download": _may_download(view),
        "can_be_released": _can_be_released(view),
    }
    return pages.page(request, "transfer", context, status=status)


def _possible(who: Principal, view: TransferView) -> set[str]:
    """The acts that the page offers. What is offered in vain is refused by the phase, with a sentence."""
    if view.role == "sender":
        may_act = any({"store", "manage"} & place.scopes for place in who.places)
        if view.state in OVER or not may_act:
            return set()
        return {"withdraw", "release"} if _can_be_released(view) else {"withdraw"}
    if view.state != State.AVAILABLE or not view.deliveries:
        return set()
    own = view.deliveries[0]
    if own.access == Access.WAITING:
        return {"accept", "decline"}
    if own.access == Access.OPEN and own.progress != "proven":
        return {"acknowledge", "decline"}
    return set()


def _can_be_released(view: TransferView) -> bool:
    stops = [finding for finding in view.findings if finding.grade == "stop" and finding.released_at is None]
    return view.state == State.HELD and view.reason != "failed" and all(finding.may_be_released for finding in stops)


def _may_download(view: TransferView) -> bool:
    if not (view.instance_count or view.documents):
        return False
    return view.state == State.AVAILABLE and (
        view.role == "sender" or any(delivery.access == Access.OPEN for delivery in view.deliveries)
    )


def _missing(name: str) -> str:
    return {
        "decline": "Say why, so that the sender knows what to do.",
        "release": "Say why it may go to the recipients all the same.",
        "withdraw": "Tick the box to say that you are sure.",
    }.get(name, "Something is missing.")
