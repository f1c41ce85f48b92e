"""The history of a transfer in words: what happened, whom it concerned, who did it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from accounts import names
from exchange.portal import words
from transfers.addressing import TransferView
from transfers.addressing.views import TimelineEntry


@dataclass(frozen=True, slots=True)
class Line:
    """One event; `times` it came in a row, beginning `at`."""

    at: datetime
    what: str
    by: str
    times: int = 1


def lines(view: TransferView) -> list[Line]:
    """The trail as a person reads it; what came again at once is said once."""
    told: list[Line] = []
    for line in _all(view):
        last = told[-1] if told else None
        if last and (last.what, last.by) == (line.what, line.by):
            told[-1] = replace(last, times=last.times + 1)
        else:
            told.append(line)
    return told


def _all(view: TransferView) -> Iterator[Line]:
    called = names.of(entry.by for entry in view.timeline)
    recipients = {one.id: one.recipient.name or "The reader of a link" for one in view.deliveries}
    for entry in view.timeline:
        kind = entry.by.partition(":")[0]
        by = called.get(entry.by) or words.KINDS.get(entry.by) or words.KINDS.get(kind, "")
        yield Line(entry.at, _what(entry, recipients, view.sender.name), by)


def _what(entry: TimelineEntry, recipients: dict[int, str], sender: str) -> str:
    whom = recipients.get(entry.detail.get("delivery") or 0, "")
    if entry.action.startswith("notice."):
        reader = sender if entry.detail.get("audience") == "sender" else whom or "The recipient"
        about = words.NOTICES.get(str(entry.detail.get("event", "")).partition(":")[0], "")
        return words.notice(entry.action, reader, about)
    said = words.action(entry.action)
    return f"{said}: {whom}" if whom and entry.action in words.ABOUT_ONE else said
