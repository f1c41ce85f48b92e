"""One SOP Instance UID from two senders with different bytes: the recipient of both is told, the senders are not.

A sender who learned of it could ask for what others have sent, one UID at a time. So a finding of this kind belongs
to a delivery, and to the later of two transfers: where a reader sees both together, the first is shown.
"""

from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from transfers import lookups
from transfers.keys.opened import TransferKey
from transfers.models import Finding, Transfer
from transfers.rules.findings import Found
from transfers.rules.lifecycle import State

CODE: Final = "identifier-reused"

# Whoever reads `mine` reads `theirs` too: the same recipient, or a department of it where mine is for all of it.
_PAIRS: Final = """
      FROM transfers_transfer t
      JOIN transfers_delivery mine ON mine.transfer_id = t.id AND mine.access IN ('open', 'waiting')
      JOIN transfers_instance i ON i.transfer_id = t.id AND i.rejected_by = ''
      JOIN transfers_instance other ON other.sop_instance_uid = i.sop_instance_uid AND other.sha256 <> i.sha256
           AND other.rejected_by = ''
      JOIN transfers_transfer u ON u.id = other.transfer_id AND u.sender_id <> t.sender_id
           AND u.state = 'available' AND u.available_until > now()
      JOIN transfers_delivery theirs ON theirs.transfer_id = u.id AND theirs.access IN ('open', 'waiting')
           AND (theirs.user_id = mine.user_id
                OR (theirs.organization_id = mine.organization_id
                    AND (mine.department_id IS NULL OR theirs.department_id = mine.department_id)))
     WHERE t.id = %s
"""
_EARLIER: Final = f"""
    SELECT mine.id, count(DISTINCT i.id) {_PAIRS} AND (u.available_at, u.id) < (t.available_at, t.id)
     GROUP BY mine.id ORDER BY mine.id
"""
_LATER: Final = """
    SELECT DISTINCT u.id
      FROM transfers_transfer earlier
      JOIN transfers_instance shared ON shared.transfer_id = earlier.id
      JOIN transfers_instance again ON again.sop_instance_uid = shared.sop_instance_uid
           AND again.sha256 <> shared.sha256
      JOIN transfers_transfer u ON u.id = again.transfer_id AND u.sender_id <> earlier.sender_id
           AND u.state = 'available' AND (u.available_at, u.id) > (earlier.available_at, earlier.id)
     WHERE earlier.id = %s
"""


def compare_senders(transfer_id: UUID) -> None:
    """Look, now that a transfer is available, whether others hold other instances under the same identifiers.

    Safe to repeat. Of two that become available at once both are looked at after both are, so one of them sees it.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LATER, [transfer_id])
        later = [row[0] for row in cursor.fetchall()]
    for one in (transfer_id, *later):
        _tell(one)


@transaction.atomic
def _tell(transfer_id: UUID) -> None:
    transfer = Transfer.objects.select_for_update().filter(pk=transfer_id, state=State.AVAILABLE).first()
    if transfer is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(_EARLIER, [transfer_id])
        counts = cursor.fetchall()
    transfer.findings.filter(code=CODE).delete()
    if counts:
        key = lookups.open_key(transfer)
        Finding.objects.bulk_create([_finding(transfer, key, delivery, count) for delivery, count in counts])


def _finding(transfer: Transfer, key: TransferKey, delivery_id: int, count: int) -> Finding:
    found = Found(CODE, count=count)
    row = Finding(
        transfer=transfer,
        delivery_id=delivery_id,
        code=CODE,
        grade=found.kind.grade,
        count=count,
        created_at=Now(),
    )
    row.record = key.seal("finding", row.sealed_row, found.sentence.encode())
    return row
