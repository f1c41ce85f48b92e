"""The history of a transfer in words: what happened, whom it concerned, who did it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from accounts import names
from exchange.portal import words
from transfers.addressing import TransferView
from transfers.addressing.views import TimelineEntry

# What changes nothing: a search, and frames or headers that were read.
_LOOKS: Final = frozenset({"study.search", "study.view"})


@dataclass(frozen=True, slots=True)
class Line:
    """One event; `times` it came in a row, beginning `at`."""

    at: datetime
    what: str
    by: str
    times: int = 1
    is_look: bool = False


def lines(view: TransferView) -> list[Line]:
    """The trail as a person reads it; what came again at once is said once, and looking is said once a reader."""
    told: list[Line] = []
    looked: dict[str, int] = {}
    for line in _all(view):
        again = looked.get(line.by) if line.is_look else len(told) - 1 if told else None
        if again is not None and (told[again].what, told[again].by) == (line.what, line.by):
            told[again] = replace(told[again], times=told[again].times + 1)
            continue
        if line.is_look:
            looked[line.by] = len(told)
        told.append(line)
    return told


def _is_own_look(entry: TimelineEntry) -> bool:
    """Whether the sender's side looked at what it sent: kept in the trail, but it buries what happened."""
    return entry.action in _LOOKS and "delivery" in entry.detail and entry.detail["delivery"] is None


def _all(view: TransferView) -> Iterator[Line]:
    called = names.of(entry.by for entry in view.timeline)
    recipients = {one.id: one.recipient.name or "The reader of a link" for one in view.deliveries}
    for entry in view.timeline:
        if _is_own_look(entry):
            continue
        kind = entry.by.partition(":")[0]
        by = called.get(entry.by) or words.KINDS.get(entry.by) or words.KINDS.get(kind, "")
        what = _what(entry, recipients, view.sender.name)
        yield Line(entry.at, what, by, is_look=entry.action == "study.search")


def _what(entry: TimelineEntry, recipients: dict[int, str], sender: str) -> str:
    whom = recipients.get(entry.detail.get("delivery") or 0, "")
    if entry.action.startswith("notice."):
        reader = sender if entry.detail.get("audience") == "sender" else whom or "The recipient"
        about = words.NOTICES.get(str(entry.detail.get("event", "")).partition(":")[0], "")
        return words.notice(entry.action, reader, about)
    said = words.action(entry.action)
    return f"{said}: {whom}" if whom and entry.action in words.ABOUT_ONE else said
