"""What may be done to a transfer on its page: one row an act, each a form without script.

The page offers what makes sense in a state; what is offered in vain is refused by the phase, with a sentence.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.principals import Principal
from exchange.portal import forms
from exchange.portal.forms import Form
from exchange.templatetags.exchange_words import zone_of
from transfers import addressing, errors, expiring
from transfers.addressing import IssuedPin, TransferView
from transfers.addressing.views import DeliveryView
from transfers.rules.lifecycle import OVER, REOPENABLE, Access, Reason, State

Values = dict[str, Any]  # Any: cleaned values by name


@dataclass(frozen=True, slots=True)
class Act:
    """One form of the page: what it needs, what it does, what is said afterwards."""

    form: type[Form]
    perform: Callable[[Principal, UUID, Values], object]
    done: str
    # Shows numbers that are shown once: whoever repeats it is told how to come by new ones.
    shows_pins: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an act was not done, and the field of its form that needs another look."""

    act: str
    sentence: str
    field: str = ""

    @property
    def anchor(self) -> str:
        """Where on the page to mend it."""
        return f"{self.act}-{self.field}" if self.field else f"act-{self.act}"


def _send(who: Principal, which: UUID, values: Values) -> tuple[IssuedPin, ...]:
    recipients = [*values["partner"], *values["recipients"]]
    if not recipients and not addressing.describe(who, which).deliveries:
        raise errors.InvalidField("recipients", "Nobody is chosen yet. Say to whom it is to be sent.")
    with transaction.atomic():  # a draft that cannot be sent stays as it was
        pins = addressing.change_draft(
            who,
            which,
            recipients=recipients,
            purpose=values["purpose"],
            urgency=values["urgency"],
            message=values["message"] or None,
            until=_end_of_day(who, values) if values["until"] else None,
        )
        addressing.send(who, which)
    return pins


def _extend(who: Principal, which: UUID, values: Values) -> None:
    expiring.extend(who, which, _end_of_day(who, values))


def _reopen(who: Principal, which: UUID, values: Values) -> None:
    expiring.reopen(who, which, _end_of_day(who, values))


def _end_of_day(who: Principal, values: Values) -> datetime:
    return datetime.combine(values["until"], time(23, 59, 59), zone_of(who.time_zone))


ACTS: Final[dict[str, Act]] = {
    "send": Act(forms.Send, _send, "It is sent. The recipients are told when it has been checked.", shows_pins=True),
    "remove": Act(
        forms.OneRecipient,
        lambda who, which, values: addressing.remove_recipient(who, which, values["delivery"]),
        "It will not go to this recipient.",
    ),
    "finalise": Act(
        forms.Nothing, lambda who, which, _: addressing.finalise(who, which), "It is complete. It is being checked."
    ),
    "accept": Act(forms.Nothing, lambda who, which, _: addressing.accept(who, which), "You have accepted it."),
    "decline": Act(
        forms.Reason,
        lambda who, which, values: addressing.decline(who, which, reason=values["reason"]),
        "You have declined it. The sender is told.",
    ),
    "acknowledge": Act(
        forms.HaveIt, lambda who, which, _: addressing.acknowledge(who, which), "You have confirmed the receipt."
    ),
    "release": Act(
        forms.Note,
        lambda who, which, values: addressing.release(who, which, note=values["note"]),
        "It is released. The recipients are told.",
    ),
    "retry": Act(
        forms.Nothing,
        # One that could not be checked has nothing to release: the same act checks it again.
        lambda who, which, _: addressing.release(who, which, note="checked again"),
        "It is being checked again.",
    ),
    "extend": Act(forms.LastDay, _extend, "It stays open longer."),
    "reopen": Act(forms.LastDay, _reopen, "It is open again. The recipients are told."),
    "revoke": Act(
        forms.OneDelivery,
        lambda who, which, values: addressing.revoke(who, values["delivery"], transfer_id=which),
        "It is taken back from this recipient, with all links. No mail says so: call them if they were told of it.",
    ),
    "renew-link": Act(
        forms.OneLink,
        lambda who, which, values: addressing.renew_link(who, which, values["delivery"]),
        "The earlier link opens nothing any more; the new one goes by mail.",
        shows_pins=True,
    ),
    "withdraw": Act(forms.Sure, lambda who, which, _: expiring.withdraw(who, which), "It is withdrawn and destroyed."),
}


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


def receipt(view: TransferView, mine: DeliveryView | None) -> str:
    """What to know before confirming a receipt: how much was pulled here, which need not be all that came."""
    ask = "Say to the sender that you have got everything."
    if mine is None or not view.instance_count:
        return ask
    images = f"{view.instance_count} image{'s' if view.instance_count != 1 else ''}"
    so_far = f"{ask} You have pulled {mine.counts.pulled} of {images} here"
    if mine.counts.pulled >= view.instance_count:
        return f"{so_far}."
    if not mine.counts.pulled:
        return f"{so_far}: confirm it only if all of it came to you by another road."
    return f"{so_far}: confirm it only if you have the rest by another road."


def unchosen(places: Sequence[Any], view: TransferView) -> list[Any]:  # Any: organisations and departments
    """Partners that it does not go to yet."""
    chosen = {one.recipient.address for one in view.deliveries}
    return [place for place in places if place.address not in chosen]


def linked(view: TransferView) -> list[Any]:  # Any: as above
    """Readers of links that may be made anew."""
    return [one for one in view.deliveries if one.recipient.kind == "email" and one.access == Access.OPEN]


def _of_sender(view: TransferView) -> set[str]:
    if view.state in OVER:
        may_reopen = view.reason in REOPENABLE and view.available_at is not None and view.purge_at > timezone.now()
        return {"reopen"} if view.state == State.CLOSED and may_reopen else set()
    found = {"withdraw"}
    if view.state == State.DRAFT:
        return found | {"send"} | ({"remove"} if view.deliveries else set())
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
    """What a browser's calendar permits, and where it opens: a week later than now, or than the present end.

    `tomorrow` is the first day that a draft may be given.
    """
    zone = zone_of(who.time_zone)
    today = timezone.now().astimezone(zone).date()
    end = view.available_until.astimezone(zone).date()
    first = max(today, end if view.state not in OVER else today) + timedelta(days=1)
    found = {"first": first, "proposed": first + timedelta(days=6), "tomorrow": today + timedelta(days=1)}
    return {name: day.isoformat() for name, day in found.items()}
