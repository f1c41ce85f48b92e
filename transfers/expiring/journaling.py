"""The journal of destructions beside the keys: what a restore must destroy again.

A line is written twice, because neither moment alone is right. Only before the commit, a purge that rolled back
would be repeated at a restore. Only after it, a crash in between would let a restore bring a withdrawn transfer
back. So "begun" is on disk before the commit and "done" after it; a begun one without end is settled by the
database while there is one (`settle`), and counts as done where there is none any more: it was withdrawn by
somebody entitled to, or due.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from transfers import keys
from transfers.models import Transfer
from transfers.rules.lifecycle import State


@dataclass(frozen=True, slots=True)
class Destroyed:
    """One transfer that the journal says is gone."""

    transfer_id: UUID
    reason: str
    at: datetime


def begin(transfer_id: UUID, *, reason: str, at: datetime) -> None:
    """Write the line that precedes the commit of the caller's transaction, and have its end written after it."""
    _append(transfer_id, "begun", reason=reason, at=at.isoformat())
    transaction.on_commit(lambda: _append(transfer_id, "done"), robust=True)


def settle() -> int:
    """End the lines that a crash or a rollback left begun, by what the database says; returns how many."""
    begun = [transfer_id for transfer_id, told in _told().items() if told["step"] == "begun"]
    settled = 0
    for transfer_id in begun:
        with transaction.atomic():
            # Waits for a purge that is running, whose line was written just now.
            transfer = Transfer.objects.select_for_update().filter(pk=transfer_id).first()
            step = "done" if transfer is None or transfer.state == State.PURGED else "undone"
            if _told()[transfer_id]["step"] == "begun":
                _append(transfer_id, step)
                settled += 1
    return settled


def destroyed() -> list[Destroyed]:
    """Every transfer that was destroyed, in the order it was begun."""
    return [
        Destroyed(transfer_id, reason=told["reason"], at=datetime.fromisoformat(told["at"]))
        for transfer_id, told in _told().items()
        if told["step"] != "undone"
    ]


def _append(transfer_id: UUID, step: str, **facts: str) -> None:
    keys.append_destruction({"event": "transfer", "transfer": str(transfer_id), "step": step, **facts})


def _told() -> Mapping[UUID, Mapping[str, Any]]:  # Any: JSON strings
    """The newest that the journal says of each transfer."""
    told: dict[UUID, dict[str, Any]] = {}  # Any: as above
    for line in keys.read_destructions():
        if line.get("event") == "transfer":
            transfer_id = UUID(line["transfer"])
            told[transfer_id] = told.get(transfer_id, {}) | line
    return told
