"""What was answered to whom: pull records, the progress of a delivery, one audit event for each transfer.

One transaction at the end of an answer. A state is true only if the bytes were handed over, so a cut answer
records the items that left whole and nothing else.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Final, Literal
from uuid import UUID

from django.db import DatabaseError

from accounts import audit, statements
from accounts.principals import Principal
from accounts.statements import Statement
from transfers.access import Sight
from transfers.retrieving.items import INSTANCE, Item
from transfers.rules.lifecycle import PROGRESS_ORDER

logger = logging.getLogger(__name__)

Kind = Literal["pulled", "viewed"]

# The transfer is locked against a purge first, and rows are sorted: two answers wait for each other, none deadlocks.
_INSERT: Final = """
    WITH held AS (SELECT id FROM transfers_transfer WHERE id = %(transfer)s AND wrapped_key IS NOT NULL FOR SHARE)
    INSERT INTO transfers_pullrecord
           (delivery_id, instance_id, document_id, kind, road, principal, count, first_at, last_at)
    SELECT %(delivery)s, {columns}, %(kind)s, %(road)s, %(principal)s, 1, now(), now()
      FROM {table} r, held WHERE r.transfer_id = held.id AND r.id = ANY(%(ids)s) ORDER BY r.id
        ON CONFLICT (delivery_id, instance_id, document_id, kind)
        DO UPDATE SET count = transfers_pullrecord.count + 1, last_at = now(),
                      road = excluded.road, principal = excluded.principal
"""
_INSERT_INSTANCES: Final = _INSERT.format(columns="r.id, NULL::bigint", table="transfers_instance")
_INSERT_DOCUMENTS: Final = _INSERT.format(columns="NULL::bigint, r.id", table="transfers_document")

# Counting is cheap and nearly always enough; only where the counts agree are the sets compared.
_IS_PULLED: Final = """
    CASE WHEN (SELECT count(*) FROM transfers_pullrecord p WHERE p.delivery_id = %(delivery)s AND p.kind = 'pulled')
              >= t.instance_count + (SELECT count(*) FROM transfers_document d WHERE d.transfer_id = t.id)
               - (SELECT count(*) FROM transfers_study s
                    JOIN transfers_instance i ON i.study_id = s.id AND i.rejected_by <> ''
                   WHERE s.transfer_id = t.id)
         THEN NOT EXISTS (SELECT i.id FROM transfers_instance i WHERE i.transfer_id = t.id AND i.rejected_by = ''
                          EXCEPT SELECT p.instance_id FROM transfers_pullrecord p
                                  WHERE p.delivery_id = %(delivery)s AND p.kind = 'pulled')
          AND NOT EXISTS (SELECT d.id FROM transfers_document d WHERE d.transfer_id = t.id
                          EXCEPT SELECT p.document_id FROM transfers_pullrecord p
                                  WHERE p.delivery_id = %(delivery)s AND p.kind = 'pulled')
         ELSE false END
"""
_RAISE: Final = f"""
    UPDATE transfers_delivery d
       SET progress = n.progress, opened_at = coalesce(d.opened_at, now()),
           pulled_at = CASE WHEN n.progress = 'pulled' THEN coalesce(d.pulled_at, now()) ELSE d.pulled_at END
      FROM (SELECT CASE WHEN (SELECT progress IN ('pulled', 'proven') FROM transfers_delivery WHERE id = %(delivery)s)
                        THEN 'none'
                        WHEN %(kind)s = 'viewed' THEN 'opened'
                        WHEN {_IS_PULLED} THEN 'pulled' ELSE 'partly pulled' END AS progress
              FROM transfers_transfer t
             WHERE t.id = %(transfer)s AND t.wrapped_key IS NOT NULL
               AND EXISTS (SELECT FROM transfers_pullrecord WHERE delivery_id = %(delivery)s)) n
     WHERE d.id = %(delivery)s
       AND array_position(%(order)s, d.progress::text) < array_position(%(order)s, n.progress)
"""  # noqa: S608 - only a constant is inserted
_ORDER: Final = [str(stage) for stage in PROGRESS_ORDER]


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
                statements.atomically(
                    *_records(seen, items, kind=self._kind, who=self._who, road=self._road),
                    self._event(seen, len({item.pk for item in items})),
                )
            except DatabaseError as error:
                logger.error("pull.unrecorded %s", type(error).__name__)

    def _event(self, seen: Sight, count: int) -> Statement:
        return audit.statement(
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


def _records(seen: Sight, items: Sequence[Item], *, kind: Kind, who: Principal, road: str) -> list[Statement]:
    """What writes the pull records of one delivery and raises its progress; nothing for a sender.

    Progress only rises; where the transfer has been purged meanwhile, nothing is written.
    """
    if not items or seen.delivery_id is None:
        return []
    names = {"delivery": seen.delivery_id, "transfer": seen.transfer_id, "kind": kind}
    by_table = {
        _INSERT_INSTANCES: [item.pk for item in items if item.kind == INSTANCE],
        _INSERT_DOCUMENTS: [item.pk for item in items if item.kind != INSTANCE],
    }
    inserts: list[Statement] = [
        (statement, {**names, "road": road, "principal": who.ident, "ids": ids})
        for statement, ids in by_table.items()
        if ids
    ]
    return [*inserts, (_RAISE, {**names, "order": _ORDER})]
