"""A link and what is behind it, for a reader without an account.

`/s/{token}/` says who sent, until when and whom to call, and nothing of the patient. Mail scanners open every link,
so opening it changes nothing; the second factor goes by POST and leads to `/g/{grant}/`, where no secret is in the
address.
"""

import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Final

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from accounts import credentials
from accounts.principals import Principal
from exchange import handover, limits, passes
from exchange.limits import Limit
from exchange.portal import contents, pages
from transfers import access, addressing, bundling, errors, searching
from transfers.access import Link, Sight, Verdict
from transfers.models import Grant, Tombstone, Transfer
from transfers.rules.lifecycle import Access, Reason, State

# The second factor has a cap in the database as well.
LOOKUPS: Final = Limit(
    settings.EXCHANGE_LINK_RATE, "Too many links were opened from your network. Wait a minute and try again."
)


class PinForm(forms.Form):
    """Spaces and hyphens are how people write down what they are told on the phone.

    What has not the digits of a PIN is none, so it costs no try.
    """

    pin = forms.CharField(max_length=40)

    def clean_pin(self) -> str:
        pin = "".join(character for character in self.cleaned_data["pin"] if character in string.digits)
        if len(pin) != credentials.PIN_DIGITS:
            raise forms.ValidationError("")
        return pin


@dataclass(frozen=True, slots=True)
class Notice:
    """What the landing page says."""

    sender: str
    phone: str
    reference: str
    is_urgent: bool
    until: datetime
    ended: datetime | None
    why_ended: str
    is_open: bool
    is_locked: bool
    tries_left: int


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a link and has given its second factor, and what that opens."""

    who: Principal
    grant: Grant
    seen: Sight


# A page whose address is a secret needs no second secret in its form; and so opening it sets no cookie.
@csrf_exempt
@pages.secret
@pages.only("GET", "HEAD", "POST")
@pages.refusing
def landing(request: HttpRequest, token: str) -> HttpResponseBase:
    LOOKUPS.take(limits.source_of(request))
    link = access.resolve_link(token)
    if link is None:
        return pages.page(request, "link_unknown", status=404)
    verdict = _verify(request, link) if request.method == "POST" else None
    if verdict == Verdict.OPENED:
        response = HttpResponseRedirect(reverse("portal:grant", args=[link.grant_id]), status=303)
        passes.give(response, link.grant_id)
        return response
    return _tell(request, link, verdict)


def _opened(view: Callable[..., HttpResponseBase]) -> pages.View:
    """For whoever gave the second factor in this browser; a link that is over by now says so, and why."""

    @pages.secret
    @pages.only("GET", "HEAD")
    @pages.refusing
    @wraps(view)
    def shown(request: HttpRequest, *, grant_id: int, **names: int) -> HttpResponseBase:
        since = passes.since(request, grant_id)
        row = _row(grant_id) if since is not None else None
        if row is None:  # a grant that is there and one that never was look alike
            return pages.page(request, "grant_closed", status=401)
        who = access.principal_of_grant(row)
        try:
            seen = access.sight(who, row.delivery.transfer_id) if row.revoked_at is None else None
        except (errors.Gone, errors.NotFound):
            seen = None
        if seen is None:
            return pages.page(request, "link_over", {"notice": notice_of(row, is_open=False)}, status=410)
        response = view(request, Holder(who, row, seen), **names)
        passes.give(response, grant_id, since=since)
        return response

    return shown


@_opened
def grant(request: HttpRequest, holder: Holder) -> HttpResponseBase:
    """What was sent, of whom, with the one thing to do."""
    row = holder.grant
    view = addressing.describe(holder.who, holder.seen.transfer_id)
    holds = searching.overview(holder.who, holder.seen)
    context = {
        "view": view,
        "holds": holds,
        "original": contents.of_original(holder.who, view, holds),
        "series": sum(study.series_count for study in view.studies),
        "size": bundling.open_archive(holder.seen).size,
        "grant_id": row.pk,
        "pulls_left": None if row.max_pulls is None else max(0, row.max_pulls - row.pulls_done),
    }
    return pages.page(request, "grant", context)


@_opened
def download(request: HttpRequest, holder: Holder) -> HttpResponseBase:
    """Everything as one ZIP; a range goes on where a download broke off."""
    return handover.respond(request, bundling.open_archive(holder.seen), who=holder.who)


@_opened
def document(request: HttpRequest, holder: Holder, *, document_id: int) -> HttpResponseBase:
    """One document by itself; it counts as its share of a download."""
    answer, of = bundling.open_document(holder.seen, document_id)
    return handover.hand_out(request, answer, who=holder.who, of=of)


@csrf_exempt  # the cookie is sent to this path alone, and all it does is go
@pages.secret
@pages.only("GET", "HEAD", "POST")
def leave(request: HttpRequest, grant_id: int) -> HttpResponseBase:
    if request.method != "POST":  # the address of the form, from a bookmark or a reload
        return HttpResponseRedirect(reverse("portal:grant", args=[grant_id]))
    response = pages.page(request, "left")
    passes.take(response, grant_id)
    return response


def _verify(request: HttpRequest, link: Link) -> Verdict | None:
    """None where it is no PIN at all, and nothing was tried."""
    form = PinForm(request.POST)
    if not form.is_valid():
        return None
    return addressing.open_link(link.grant, form.cleaned_data["pin"])


def _tell(request: HttpRequest, link: Link, verdict: Verdict | None) -> HttpResponse:
    link.grant.refresh_from_db(fields=["attempts", "locked_at"])
    notice = notice_of(link.grant, is_open=link.is_open and verdict != Verdict.OVER)
    if not notice.is_open:
        return pages.page(request, "link_over", {"notice": notice}, status=410)
    if notice.is_locked or verdict == Verdict.LOCKED:
        return pages.page(request, "link_locked", {"notice": notice}, status=403)
    wrong = ""
    if request.method == "POST":
        wrong = "number" if verdict == Verdict.WRONG else "form"
    return pages.page(request, "link", {"notice": notice, "wrong": wrong}, status=403 if wrong else 200)


def notice_of(grant: Grant, *, is_open: bool) -> Notice:
    transfer = grant.delivery.transfer
    department = transfer.sender_department
    ended, why = (None, "") if is_open else _end_of(grant, transfer)
    return Notice(
        sender=f"{transfer.sender.name}, {department.name}" if department else transfer.sender.name,
        phone=(department.desk_phone if department else "") or transfer.sender.desk_phone,
        reference=transfer.reference,
        is_urgent=transfer.urgency == "urgent",
        until=transfer.available_until,
        ended=ended,
        why_ended=why,
        is_open=is_open,
        is_locked=grant.locked_at is not None,
        tries_left=max(0, grant.max_attempts - grant.attempts),
    )


def _end_of(grant: Grant, transfer: Transfer) -> tuple[datetime | None, str]:
    """When and why a link came to its end, as far as its reader may know."""
    reason = transfer.reason
    if transfer.state == State.PURGED:  # why it was closed is on its tombstone then
        reason = Tombstone.objects.filter(pk=transfer.pk).values_list("reason", flat=True).first() or reason
    if reason == Reason.WITHDRAWN:
        return transfer.closed_at, "withdrawn"
    if grant.revoked_at is not None and grant.delivery.grants.filter(revoked_at=None).exists():
        return grant.revoked_at, "renewed"
    if grant.revoked_at is not None or grant.delivery.access != Access.OPEN:
        return grant.revoked_at, "revoked"
    if reason == Reason.FULFILLED:
        return transfer.closed_at, "fulfilled"
    return transfer.available_until, "lapsed"


def _row(grant_id: int) -> Grant | None:
    grants = Grant.objects.select_related("delivery__transfer__sender", "delivery__transfer__sender_department")
    return grants.filter(pk=grant_id).first()
