"""Pages of a signed-in person: the inbox, what was sent, and one transfer with what may be done to it."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Final, Literal
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

from accounts import authentication
from accounts.principals import Principal
from exchange import handover, problems
from exchange.portal import acts, contents, held, once, pages, telling, timeline, words
from exchange.portal.acts import Failure
from exchange.portal.forms import Form
from transfers import access, addressing, bundling, errors
from transfers.addressing import IssuedPin, TransferView
from transfers.rules.lifecycle import OVER, Access, State

PAGE: Final = 25
_SIGNED_OUT: Final = "You were signed out meanwhile: nothing was changed. Sign in, and do it once more."
_REPEATED: Final = "This was done already, and was not done again."
_PIN_MISSED: Final = "PINs are shown once: if you missed one, send its reader a new link and PIN."


def signed_in(view: Callable[..., HttpResponseBase]) -> pages.View:
    """Give a view the person who is signed in, or send the browser to the sign-in page.

    What was sent without a session is lost: that is said there, and afterwards the transfer is shown.
    """

    @wraps(view)
    def guarded(request: HttpRequest, **names: Any) -> HttpResponseBase:  # Any: names of the URL
        user = request.user
        who = authentication.principal_of_user(user) if user.is_authenticated else None
        if who is None:
            if request.method == "POST":
                messages.warning(request, _SIGNED_OUT)
                return redirect_to_login(reverse("portal:transfer", args=[names["transfer_id"]]))
            return redirect_to_login(request.get_full_path())
        return pages.refusing(lambda _: view(request, who, **names))(request)

    return guarded


@pages.only("GET", "HEAD")
@signed_in
def inbox(request: HttpRequest, who: Principal) -> HttpResponseBase:
    return _list(request, who, "received")


@pages.only("GET", "HEAD")
@signed_in
def sent(request: HttpRequest, who: Principal) -> HttpResponseBase:
    return _list(request, who, "sent")


@pages.only("GET", "HEAD")
@signed_in
def transfer(request: HttpRequest, who: Principal, transfer_id: UUID) -> HttpResponseBase:
    if request.method == "GET":
        addressing.note_opened(who, transfer_id)
    try:
        return _show(request, who, transfer_id)
    except errors.NotFound:
        return pages.page(request, "held", {"notice": held.notice(who, transfer_id), "zone": who.time_zone})


@pages.only("GET", "HEAD", "POST")
def act(request: HttpRequest, transfer_id: UUID, name: str) -> HttpResponseBase:
    """Do one act and show the transfer again; whoever comes by its address, from a bookmark, is shown it as it is."""
    if name not in acts.ACTS:
        return pages.refusal(request, errors.NotFound())
    if request.method != "POST":
        return _to_transfer(transfer_id, status=302)
    return _act(request, transfer_id=transfer_id, name=name)


@signed_in
def _act(request: HttpRequest, who: Principal, transfer_id: UUID, name: str) -> HttpResponseBase:
    """What is refused is said on the same page."""
    chosen = acts.ACTS[name]
    form = chosen.form(request.POST, who)
    if not form.is_valid():
        return _show(request, who, transfer_id, failed=Failure(name, form.problem, form.wrong), status=400)
    try:
        perform = partial(chosen.perform, who, transfer_id, form.cleaned_data)
        result = once.perform(who, f"{transfer_id}/{name}", request.POST, perform)
    except once.Repeated:
        messages.warning(request, f"{_REPEATED} {_PIN_MISSED}" if chosen.shows_pins else _REPEATED)
        return _to_transfer(transfer_id)
    except (errors.NotFound, errors.Gone):
        raise
    except errors.ExchangeError as error:
        status = problems.row_of(error).status.value
        failed = Failure(name, error.sentence, _wrong(form, error))
        return _show(request, who, transfer_id, failed=failed, status=status)
    messages.success(request, chosen.done)
    if isinstance(result, tuple) and result:
        # The numbers of links are in this very answer: a redirect would have to keep them somewhere.
        return _show(request, who, transfer_id, pins=result)
    return _to_transfer(transfer_id)


@pages.only("GET", "HEAD")
@signed_in
def download(request: HttpRequest, who: Principal, transfer_id: UUID) -> HttpResponseBase:
    archive = bundling.open_archive(access.sight(who, transfer_id, as_recipient=True))
    return handover.respond(request, archive, who=who)


@pages.only("GET", "HEAD")
@signed_in
def document(request: HttpRequest, who: Principal, transfer_id: UUID, document_id: int) -> HttpResponseBase:
    answer, of = bundling.open_document(access.sight(who, transfer_id, as_recipient=True), document_id)
    return handover.hand_out(request, answer, who=who, of=of)


def _list(request: HttpRequest, who: Principal, direction: Literal["sent", "received"]) -> HttpResponse:
    sought = request.GET.get("reference", "").strip()[:40]
    after = request.GET.get("after", "")
    page = addressing.list_transfers(who, direction=direction, reference=sought, cursor=after, limit=PAGE)
    context = {
        "page": page,
        "direction": direction,
        "standings": {one.id: telling.in_list(one, direction) for one in page.transfers},
        "zone": who.time_zone,
        "sought": sought,
        "is_first": not after,
        "has_place": bool(who.places),
        "may_send": who.home("store") is not None,
    }
    return pages.page(request, "list", context)


def _show(
    request: HttpRequest,
    who: Principal,
    transfer_id: UUID,
    *,
    failed: Failure | None = None,
    pins: tuple[IssuedPin, ...] = (),
    status: int = 200,
) -> HttpResponse:
    view = addressing.describe(who, transfer_id)
    possible, mine = acts.possible(who, view), acts.own(view)
    holds = contents.of_transfer(who, transfer_id)
    context = {
        **telling.of_transfer(view, mine),
        "view": view,
        "holds": holds,
        "original": contents.of_original(who, view, holds),
        "zone": who.time_zone,
        "acts": possible,
        "failed": failed.act if failed else "",
        "failure": failed,
        "typed": request.POST if failed else {},
        "once": once.new_number(),
        "chosen": request.POST.getlist("partner") if failed else [],
        "pins": pins,
        "days": acts.days(who, view),
        "revocable": acts.revocable(view) if "revoke" in possible else [],
        "linked": acts.linked(view) if "renew-link" in possible else [],
        "partners": acts.unchosen(access.partners_of(who), view) if "send" in possible else [],
        "purposes": words.PURPOSES,
        "own": mine,
        "receipt": acts.receipt(view, mine),
        "is_over": view.state in OVER,
        "timeline": timeline.lines(view),
        "may_download": _may_download(view),
        "can_be_released": acts.can_be_released(view),
    }
    return pages.page(request, "transfer", context, status=status)


def _wrong(form: Form, error: errors.ExchangeError) -> str:
    """The field that a phase refused; a form of one field has no other to be wrong."""
    named = error.field if isinstance(error, errors.InvalidField) else ""
    if named not in form.fields and isinstance(error, errors.BadRequest) and len(form.fields) == 1:
        return next(iter(form.fields))
    return named if named in form.fields else ""


def _to_transfer(transfer_id: UUID, status: int = 303) -> HttpResponse:
    return HttpResponseRedirect(reverse("portal:transfer", args=[transfer_id]), status=status)


def _may_download(view: TransferView) -> bool:
    if not (view.instance_count or view.documents):
        return False
    return view.state == State.AVAILABLE and (
        view.role == "sender" or any(delivery.access == Access.OPEN for delivery in view.deliveries)
    )
