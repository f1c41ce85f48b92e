"""What is true of a transfer for the one who reads its page: how it stands, what was pulled, who let a finding go.

A state of the transfer is not yet one of its recipient: `available` can wait for an answer or be declined.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from accounts import names
from exchange.portal import words
from transfers.addressing import Summary, TransferView
from transfers.addressing.views import Counts, DeliveryView, FindingView
from transfers.rules import findings
from transfers.rules.lifecycle import OVER, Access, Progress, Reason, State

# The style of each badge (portal.css) that is no state of a transfer.
_WAITS, _DONE = "held", "closed"
_HELD_FOR_SENDER: Final = "a problem was found in it: read the findings, then decide whether it may go"


@dataclass(frozen=True, slots=True)
class Standing:
    """A badge, and what stands behind it."""

    tag: str
    word: str
    says: str = ""


@dataclass(frozen=True, slots=True)
class ToldFinding:
    grade: str
    word: str
    text: str = field(repr=False)
    count: int
    released_at: datetime | None
    released_by: str
    release_note: str = field(repr=False)


def of_transfer(view: TransferView, own: DeliveryView | None) -> dict[str, Any]:  # Any: what a template shows
    return {
        "standing": standing(view, own),
        "findings": told_findings(view),
        "content": content(view),
        "you": you(view, own) if own else "",
        "pulled": {one.id: pulled(one.counts, view) for one in view.deliveries},
        "had_end": _had_end(view, own),
    }


def standing(view: TransferView, own: DeliveryView | None) -> Standing:
    if view.state == State.HELD and view.reason == Reason.FINDINGS and view.role == "sender":
        return Standing(view.state, words.STATES[view.state], _HELD_FOR_SENDER)
    if view.state != State.AVAILABLE:
        return _of_state(view.state, view.reason)
    if view.role == "sender":
        return _of_recipients([one.access for one in view.deliveries])
    return _of_own(own.access if own else "")


def in_list(one: Summary, direction: str) -> Standing:
    """The same for a row of the inbox, or of what was sent."""
    if one.state != State.AVAILABLE:
        return _of_state(one.state, one.reason)
    if direction == "sent":
        return _of_recipients([receiver.access for receiver in one.receivers])
    return _of_own(one.own.access if one.own else "")


def you(view: TransferView, own: DeliveryView) -> str:
    """What the reader's own side did with it."""
    if own.access == Access.WAITING:
        return "never accepted" if view.state in OVER else "not accepted yet"
    if own.access != Access.OPEN:
        return words.ACCESS[own.access]
    ended = "access ended; " if view.state in OVER else ""
    if own.progress in (Progress.NONE, Progress.OPENED):
        return f"{ended}{words.PROGRESS[own.progress]}, nothing pulled{'' if ended else ' yet'}"
    said = f"{words.PROGRESS[Progress.PROVEN]}, pulled" if own.progress == Progress.PROVEN else "pulled"
    return f"{ended}{said} {pulled(own.counts, view)}".strip()


def pulled(counts: Counts, view: TransferView) -> str:
    """`2 of 3 images and 0 of 1 document`; what there is none of is not spoken of."""
    both = ((counts.pulled, view.instance_count, "image"), (counts.documents_pulled, len(view.documents), "document"))
    return " and ".join(f"{got} of {_plural(of, word)}" for got, of, word in both if of)


def content(view: TransferView) -> str:
    """`3 images and 1 document`."""
    images = _plural(view.instance_count, "image") if view.instance_count else ""
    if images and view.declared_instances:
        images += f" of {view.declared_instances} declared"
    documents = _plural(len(view.documents), "document") if view.documents else ""
    return " and ".join(part for part in (images, documents) if part)


def told_findings(view: TransferView) -> list[ToldFinding]:
    """One that was released stops nothing any more: it says who let it go, and gives no advice."""
    called = names.of(finding.released_by for finding in view.findings if finding.released_by)
    return [_finding(finding, called.get(finding.released_by, "")) for finding in view.findings]


def _had_end(view: TransferView, own: DeliveryView | None) -> bool:
    """Whether the end of its time says anything: not to who declined it, nor where it was closed before."""
    if view.role == "recipient" and own is not None and own.access == Access.DECLINED:
        return False
    return view.state not in OVER or view.reason == Reason.LAPSED


def _finding(finding: FindingView, by: str) -> ToldFinding:
    is_released = finding.released_at is not None
    text = finding.text or finding.code
    return ToldFinding(
        grade="released" if is_released else finding.grade,
        word="Released" if is_released else words.GRADES[finding.grade],
        text=findings.without_advice(finding.code, text) if is_released else text,
        count=finding.count,
        released_at=finding.released_at,
        released_by=by,
        release_note=finding.release_note,
    )


def _of_state(state: State, reason: str) -> Standing:
    return Standing(state, words.STATES[state], words.REASONS.get(reason, reason))


def _of_own(access: str) -> Standing:
    if access == Access.WAITING:
        return Standing(_WAITS, "Waits for your answer", "nobody can open it before you accept it")
    if access == Access.DECLINED:
        return Standing(_DONE, "Declined", "you cannot open it any more; if you need it after all, ask the sender")
    return _available()


def _of_recipients(accesses: Sequence[str]) -> Standing:
    if set(accesses) == {Access.DECLINED}:
        who = "the recipient has" if len(accesses) == 1 else "all recipients have"
        return Standing(_DONE, "Declined", f"{who} declined it: nobody can open it")
    if accesses and not {Access.OPEN, Access.WAITING} & set(accesses):
        return Standing(_DONE, "No recipient left", "it was declined or taken back: nobody can open it")
    if accesses and Access.OPEN not in accesses:
        return Standing(_WAITS, "Waits for acceptance", "no recipient can open it before accepting it")
    return _available()


def _available() -> Standing:
    return Standing(State.AVAILABLE, words.STATES[State.AVAILABLE])


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
