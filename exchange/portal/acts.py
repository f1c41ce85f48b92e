"""What may be done to a transfer on its page: one row an act, each a form without script.

The page offers what makes sense in a state; what is offered in vain is refused by the phase, with a sentence.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from accounts.principals import Principal
from exchange.portal import words
from exchange.templatetags.exchange_words import zone_of
from transfers import addressing, expiring
from transfers.addressing import IssuedPin, TransferView
from transfers.addressing.views import DeliveryView
from transfers.rules.lifecycle import OVER, REOPENABLE, Access, Reason, State
from transfers.rules.purposes import Purpose

MAX_TEXT: Final = 4000

Values = dict[str, Any]  # Any: cleaned values by name


class _Nothing(forms.Form):
    sentence = ""


class _Reason(forms.Form):
    sentence = "Say why, so that the sender knows what to do."
    reason = forms.CharField(max_length=MAX_TEXT)


class _Note(forms.Form):
    sentence = "Say why it may go to the recipients all the same."
    note = forms.CharField(max_length=MAX_TEXT)


class _Sure(forms.Form):
    sentence = "Tick the box to say that you are sure."
    sure = forms.BooleanField()


class _OneLink(forms.Form):
    sentence = "Choose the reader who is to get the new link."
    delivery = forms.IntegerField(min_value=1)


class _OneDelivery(_Sure):
    sentence = "Choose a recipient, and tick the box to say that you are sure."
    delivery = forms.IntegerField(min_value=1)


class _LastDay(forms.Form):
    sentence = "Give the last day on which it is to be open, such as 2027-01-31."
    until = forms.DateField(input_formats=["%Y-%m-%d"])

    def clean_until(self) -> date:
        """A day that exists in every zone; whether it is too near or too far is for the phase to say."""
        day: date = self.cleaned_data["until"]
        if not 2000 <= day.year < 3000:
            raise ValidationError("")
        return day


class _Send(forms.Form):
    sentence = "One of the recipients is neither an address of the directory nor an e-mail address."
    partner = forms.MultipleChoiceField(required=False)
    recipients = forms.CharField(required=False, max_length=MAX_TEXT)
    purpose = forms.ChoiceField(required=False, choices=[("", ""), *((p, words.PURPOSES[p]) for p in Purpose)])
    urgency = forms.ChoiceField(choices=[("routine", "Routine"), ("urgent", "Urgent")])
    message = forms.CharField(required=False, max_length=MAX_TEXT)

    def __init__(self, data: Any) -> None:  # Any: what a browser sends
        super().__init__(data)
        # Which addresses there are is asked where they are resolved.
        partner: Any = self.fields["partner"]  # Any: typed as a field of no choices
        partner.choices = [(name, name) for name in data.getlist("partner")[:100]]

    def clean_recipients(self) -> list[str]:
        """Addresses and e-mail addresses, however people put them apart."""
        names: list[str] = self.cleaned_data["recipients"].replace(",", " ").replace(";", " ").split()
        for name in names:
            if "@" in name:
                validate_email(name)
        return names


@dataclass(frozen=True, slots=True)
class Act:
    """One form of the page: what it needs, what it does, what is said afterwards."""

    form: Callable[[Any], forms.Form]  # Any: what a browser sends
    perform: Callable[[Principal, UUID, Values], object]
    done: str


def _send(who: Principal, which: UUID, values: Values) -> tuple[IssuedPin, ...]:
    with transaction.atomic():  # a draft that cannot be sent stays as it was
        addressing.change_draft(
            who, which, purpose=values["purpose"], urgency=values["urgency"], message=values["message"] or None
        )
        return addressing.send(who, which, recipients=[*values["partner"], *values["recipients"]])


def _extend(who: Principal, which: UUID, values: Values) -> None:
    expiring.extend(who, which, _end_of_day(who, values))


def _reopen(who: Principal, which: UUID, values: Values) -> None:
    expiring.reopen(who, which, _end_of_day(who, values))


def _end_of_day(who: Principal, values: Values) -> datetime:
    return datetime.combine(values["until"], time(23, 59, 59), zone_of(who.time_zone))


ACTS: Final[dict[str, Act]] = {
    "send": Act(_Send, _send, "It is sent. The recipients are told when it has been checked."),
    "finalise": Act(
        _Nothing, lambda who, which, _: addressing.finalise(who, which), "It is complete. It is being checked."
    ),
    "accept": Act(_Nothing, lambda who, which, _: addressing.accept(who, which), "You have accepted it."),
    "decline": Act(
        _Reason,
        lambda who, which, values: addressing.decline(who, which, reason=values["reason"]),
        "You have declined it. The sender is told.",
    ),
    "acknowledge": Act(
        _Nothing, lambda who, which, _: addressing.acknowledge(who, which), "You have confirmed the receipt."
    ),
    "release": Act(
        _Note,
        lambda who, which, values: addressing.release(who, which, note=values["note"]),
        "It is released. The recipients are told.",
    ),
    "retry": Act(
        _Nothing,
        # One that could not be checked has nothing to release: the same act checks it again.
        lambda who, which, _: addressing.release(who, which, note="checked again"),
        "It is being checked again.",
    ),
    "extend": Act(_LastDay, _extend, "It stays open longer."),
    "reopen": Act(_LastDay, _reopen, "It is open again. The recipients are told."),
    "revoke": Act(
        _OneDelivery,
        lambda who, which, values: addressing.revoke(who, values["delivery"], transfer_id=which),
        "It is taken back from this recipient, with all links.",
    ),
    "renew-link": Act(
        _OneLink,
        lambda who, which, values: addressing.renew_link(who, which, values["delivery"]),
        "The earlier link opens nothing any more; the new one goes by mail.",
    ),
    "withdraw": Act(_Sure, lambda who, which, _: expiring.withdraw(who, which), "It is withdrawn and destroyed."),
}


def missing(form: forms.Form) -> str:
    """What a form that is not complete still needs."""
    return str(getattr(form, "sentence", "")) or "Something is missing."


def possible(who: Principal, view: TransferView) -> set[str]:
    """The acts that the page offers this person."""
    found = _of_recipient(view)
    if view.role == "sender" and any({"store", "manage"} & place.scopes for place in who.places):
        found |= _of_sender(view)
    return found


def own(view: TransferView) -> DeliveryView | None:
    """The reader's own delivery; who belongs to both sides has one and is the sender as well."""
    mine = [one for one in view.deliveries if one.is_own and one.access != Access.REVOKED]
    return mine[0] if mine else None


def revocable(view: TransferView) -> list[Any]:  # Any: deliveries as a template shows them
    return [one for one in view.deliveries if one.access in (Access.OPEN, Access.WAITING)]


def linked(view: TransferView) -> list[Any]:  # Any: as above
    """Readers of links that may be made anew."""
    return [one for one in view.deliveries if one.recipient.kind == "email" and one.access == Access.OPEN]


def _of_sender(view: TransferView) -> set[str]:
    if view.state in OVER:
        may_reopen = view.reason in REOPENABLE and view.available_at is not None and view.purge_at > timezone.now()
        return {"reopen"} if view.state == State.CLOSED and may_reopen else set()
    found = {"withdraw"}
    if view.state == State.DRAFT:
        return found | {"send"}
    if view.state == State.RECEIVING and (view.instance_count or view.documents):
        found |= {"finalise"}
    if view.state == State.HELD and view.reason == Reason.FAILED:
        found |= {"retry"}
    if can_be_released(view):
        found |= {"release"}
    return found | {"extend"} | ({"revoke"} if revocable(view) else set()) | ({"renew-link"} if linked(view) else set())


def _of_recipient(view: TransferView) -> set[str]:
    mine = own(view)
    if view.state != State.AVAILABLE or mine is None:
        return set()
    if mine.access == Access.WAITING:
        return {"accept", "decline"}
    if mine.access == Access.OPEN and mine.progress != "proven":
        return {"acknowledge", "decline"}
    return set()


def can_be_released(view: TransferView) -> bool:
    stops = [finding for finding in view.findings if finding.grade == "stop" and finding.released_at is None]
    return (
        view.state == State.HELD and view.reason != Reason.FAILED and all(finding.may_be_released for finding in stops)
    )


def days(who: Principal, view: TransferView) -> dict[str, str]:
    """What a browser's calendar permits, and where it opens: a week later than now, or than the present end."""
    zone = zone_of(who.time_zone)
    today = timezone.now().astimezone(zone).date()
    end = view.available_until.astimezone(zone).date()
    first = max(today, end if view.state not in OVER else today) + timedelta(days=1)
    return {"first": first.isoformat(), "proposed": (first + timedelta(days=6)).isoformat()}
