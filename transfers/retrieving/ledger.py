"""What was answered to whom: pull records, the progress of a delivery, one audit event for each transfer.

One transaction at the end of an answer. A state is true only if the bytes were handed over, so a cut answer
records the items that left whole and nothing else.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Final, Literal
from uuid import UUID

from django.db import DatabaseError, connection, transaction

from accounts import audit
from accounts.principals import Principal
from transfers.access import Sight
from transfers.retrieving.items import INSTANCE, Item
from transfers.rules.lifecycle import PROGRESS_ORDER, Progress

logger = logging.getLogger(__name__)

Kind = Literal["pulled", "viewed"]

# Sorted by id, so that two answers that record the same items wait for each other and never deadlock.
_INSERT: Final = """
    INSERT INTO transfers_pullrecord
           (delivery_id, instance_id, document_id, kind, road, principal, count, first_at, last_at)
    SELECT %(delivery)s, {columns}, %(kind)s, %(road)s, %(principal)s, 1, now(), now()
      FROM {table} r WHERE r.id = ANY(%(ids)s) ORDER BY r.id
        ON CONFLICT (delivery_id, instance_id, document_id, kind)
        DO UPDATE SET count = transfers_pullrecord.count + 1, last_at = now(),
                      road = excluded.road, principal = excluded.principal
"""
_INSERT_INSTANCES: Final = _INSERT.format(columns="r.id, NULL::bigint", table="transfers_instance")
_INSERT_DOCUMENTS: Final = _INSERT.format(columns="NULL::bigint, r.id", table="transfers_document")

_IS_PULLED: Final = """
    SELECT NOT EXISTS (
               SELECT 1 FROM transfers_instance i
                WHERE i.transfer_id = %(transfer)s AND i.rejected_by = '' AND NOT EXISTS (
                      SELECT 1 FROM transfers_pullrecord p
                       WHERE p.delivery_id = %(delivery)s AND p.instance_id = i.id AND p.document_id IS NULL
                         AND p.kind = 'pulled'))
       AND NOT EXISTS (
               SELECT 1 FROM transfers_document d
                WHERE d.transfer_id = %(transfer)s AND NOT EXISTS (
                      SELECT 1 FROM transfers_pullrecord p
                       WHERE p.delivery_id = %(delivery)s AND p.instance_id IS NULL AND p.document_id = d.id
                         AND p.kind = 'pulled'))
"""
_RAISE: Final = """
    UPDATE transfers_delivery
       SET progress = %(progress)s, opened_at = coalesce(opened_at, now()),
           pulled_at = CASE WHEN %(progress)s = 'pulled' THEN coalesce(pulled_at, now()) ELSE pulled_at END
     WHERE id = %(delivery)s AND progress = ANY(%(lower)s)
"""


class Ledger:
    """Gathers what one answer hands over, and writes it once."""

    def __init__(self, kind: Kind, *, who: Principal, road: str, action: str) -> None:
        self.is_complete = False
        self._kind, self._who, self._road, self._action = kind, who, road, action
        self._entries: dict[UUID, tuple[Sight, list[Item]]] = {}
        self._bytes = 0

    def begin(self, seen: Sight) -> None:
        """Bytes of this transfer are about to leave: that is audited even where nothing leaves whole."""
        self._entries.setdefault(seen.transfer_id, (seen, []))

    def handed(self, items: Iterable[Item], byte_count: int) -> None:
        """These items have left whole; control has come back after their last byte."""
        self._bytes += byte_count
        for item in items:
            self.begin(item.seen)
            self._entries[item.seen.transfer_id][1].append(item)

    def write(self) -> None:
        """Record it. The bytes have left, so a failure here is told to the operator and cuts nothing."""
        for seen, items in self._entries.values():
            try:
                with transaction.atomic():
                    if items and seen.delivery_id is not None and _lock(seen):
                        record(seen, items, kind=self._kind, who=self._who, road=self._road)
                    self._audit(seen, len({item.pk for item in items}))
            except DatabaseError as error:
                logger.error("pull.unrecorded %s", type(error).__name__)

    def _audit(self, seen: Sight, count: int) -> None:
        audit.record(
            self._who,
            self._action,
            organization_id=seen.sender_id,
            subject=f"transfer:{seen.transfer_id}",
            detail={
                "delivery": seen.delivery_id,
                "road": self._road,
                "items": count,
                "bytes": self._bytes,
                "complete": self.is_complete,
            },
        )


def note(seen: Sight, items: Sequence[Item], *, who: Principal, action: str) -> None:
    """Record items as viewed that were answered without a stream of their own."""
    ledger = Ledger("viewed", who=who, road="dicomweb", action=action)
    ledger.handed(items, 0)
    ledger.is_complete = True
    ledger.write()


def record(seen: Sight, items: Sequence[Item], *, kind: Kind, who: Principal, road: str) -> None:
    """Write pull records of one delivery and raise its progress, in the caller's transaction."""
    by_table = {
        _INSERT_INSTANCES: [item.pk for item in items if item.kind == INSTANCE],
        _INSERT_DOCUMENTS: [item.pk for item in items if item.kind != INSTANCE],
    }
    with connection.cursor() as cursor:
        for statement, ids in by_table.items():
            if ids:
                parameters = {"delivery": seen.delivery_id, "kind": kind, "road": road, "principal": who.ident}
                cursor.execute(statement, {**parameters, "ids": ids})
    _raise_progress(seen, Progress.PARTLY_PULLED if kind == "pulled" else Progress.OPENED)


def _raise_progress(seen: Sight, reached: Progress) -> None:
    names = {"transfer": seen.transfer_id, "delivery": seen.delivery_id}
    with connection.cursor() as cursor:
        if reached == Progress.PARTLY_PULLED:
            cursor.execute(_IS_PULLED, names)
            if cursor.fetchone()[0]:
                reached = Progress.PULLED
        lower = [str(stage) for stage in PROGRESS_ORDER[: PROGRESS_ORDER.index(reached)]]
        cursor.execute(_RAISE, {"delivery": seen.delivery_id, "progress": str(reached), "lower": lower})


def _lock(seen: Sight) -> bool:
    """Keep a purge of the transfer waiting; False where it has already happened."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM transfers_transfer WHERE id = %s AND wrapped_key IS NOT NULL FOR SHARE", [seen.transfer_id]
        )
        return cursor.fetchone() is not None
