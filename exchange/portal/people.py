"""Pages of a signed-in person: the inbox, what was sent, and one transfer with what may be done to it."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, Literal
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts import authentication
from accounts.principals import Principal
from exchange import handover, problems
from exchange.portal import acts, contents, pages, timeline, words
from transfers import access, addressing, bundling, errors
from transfers.addressing import IssuedPin, TransferView
from transfers.rules.lifecycle import OVER, Access, State

PAGE: Final = 25


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
    chosen = acts.ACTS.get(name)
    if chosen is None:
        raise errors.NotFound
    form = chosen.form(request.POST)
    if not form.is_valid():
        return _show(request, who, transfer_id, failed=name, sentence=acts.missing(form), status=400)
    try:
        result = chosen.perform(who, transfer_id, form.cleaned_data)
    except (errors.NotFound, errors.Gone):
        raise
    except errors.ExchangeError as error:
        status = problems.row_of(error).status.value
        return _show(request, who, transfer_id, failed=name, sentence=error.sentence, status=status)
    messages.success(request, chosen.done)
    if isinstance(result, tuple) and result:
        # The numbers of links are in this very answer: a redirect would have to keep them somewhere.
        return _show(request, who, transfer_id, pins=result)
    return HttpResponseRedirect(reverse("portal:transfer", args=[transfer_id]), status=303)


@require_safe
@signed_in
def download(request: HttpRequest, who: Principal, transfer_id: UUID) -> HttpResponseBase:
    archive = bundling.open_archive(access.sight(who, transfer_id, as_recipient=True))
    return handover.respond(request, archive, who=who)


def _list(request: HttpRequest, who: Principal, direction: Literal["sent", "received"]) -> HttpResponse:
    page = addressing.list_transfers(who, direction=direction, cursor=request.GET.get("after", ""), limit=PAGE)
    context = {"page": page, "direction": direction, "zone": who.time_zone, "is_first": "after" not in request.GET}
    return pages.page(request, "list", context)


def _show(
    request: HttpRequest,
    who: Principal,
    transfer_id: UUID,
    *,
    failed: str = "",
    sentence: str = "",
    pins: tuple[IssuedPin, ...] = (),
    status: int = 200,
) -> HttpResponse:
    view = addressing.describe(who, transfer_id)
    possible = acts.possible(who, view)
    context = {
        "view": view,
        "holds": contents.of_transfer(who, transfer_id),
        "zone": who.time_zone,
        "acts": possible,
        "failed": failed,
        "sentence": sentence,
        "typed": request.POST if failed else {},
        "chosen": request.POST.getlist("partner") if failed else [],
        "pins": pins,
        "days": acts.days(who, view),
        "revocable": acts.revocable(view) if "revoke" in possible else [],
        "linked": acts.linked(view) if "renew-link" in possible else [],
        "partners": access.partners_of(who) if "send" in possible else [],
        "purposes": words.PURPOSES,
        "own": acts.own(view),
        "is_over": view.state in OVER,
        "timeline": timeline.lines(view),
        "may_download": _may_download(view),
        "can_be_released": acts.can_be_released(view),
    }
    return pages.page(request, "transfer", context, status=status)


def _may_download(view: TransferView) -> bool:
    if not (view.instance_count or view.documents):
        return False
    return view.state == State.AVAILABLE and (
        view.role == "sender" or any(delivery.access == Access.OPEN for delivery in view.deliveries)
    )
