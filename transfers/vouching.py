"""Vouching: that instances are kept, and until when (DICOM PS3.18 Section 13, PS3.4 Annex J).

An exchange keeps what it has acknowledged until the transfer ends, and no longer: that is all it commits to. A request
proves nothing about the storage of whoever makes it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from accounts import audit
from accounts.principals import Principal
from transfers import access, errors, jobs, vault
from transfers.formats import commitment
from transfers.formats.commitment import Members, Reference, Verdict
from transfers.models import Commitment
from transfers.rules import retention

MAX_ASKED: Final = 1000  # answers that are kept for one credential
_USED: Final = "This Transaction UID was used before. Each request has one of its own."
_OVER: Final = "Too many requests for commitment in the last week."

# Rows are written after their bytes were synced, so a row is a promise; of what is available the clock decides.
_FIND: Final = """
    SELECT i.sop_instance_uid, i.sop_class_uid, st.study_instance_uid, se.series_instance_uid, t.id,
           CASE WHEN t.state = 'draft'
                THEN least(t.available_until,
                           greatest(t.last_byte_at, t.touched_at, t.state_changed_at) + %(idle)s::interval)
                ELSE t.available_until END AS until,
           p.name, p.committed_length
      FROM transfers_instance i
      JOIN transfers_study st ON st.id = i.study_id
      JOIN transfers_series se ON se.id = i.series_id
      JOIN transfers_pack p ON p.id = i.pack_id
      JOIN transfers_transfer t ON t.id = i.transfer_id
     WHERE i.sop_instance_uid = ANY(%(uids)s) AND t.id = ANY(%(transfers)s) AND t.wrapped_key IS NOT NULL
       AND (t.state IN ('draft', 'receiving', 'validating', 'held')
            OR (t.state = 'available' AND t.available_until > now()))
     ORDER BY until DESC
"""


@dataclass(frozen=True, slots=True)
class _Row:
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_id: UUID
    until: datetime
    pack: str
    committed_length: int


@dataclass(frozen=True, slots=True)
class Vouched:
    """The answer to a request, and the first moment at which something of it is kept no longer; None for nothing."""

    members: Members
    until: datetime | None


def vouch(
    who: Principal,
    transaction_uid: str,
    asked: Sequence[Reference],
    *,
    url_of: Callable[[UUID], str],
    transfer_id: UUID | None = None,
) -> Vouched:
    """Say which of these instances are kept for the caller; in one transfer, or in all that it sent or was sent.

    Raises Conflict for a Transaction UID that it has used, TooManyRequests.
    """
    rows = _find(who, asked, transfer_id)
    sound = {
        name: _is_sound(name, length) for name, length in {(row.pack, row.committed_length) for row in rows.values()}
    }
    verdicts = [_judge(one, rows.get(one.sop_instance_uid), sound, url_of) for one in asked]
    kept = [rows[one.reference.sop_instance_uid].until for one in verdicts if not one.reason]
    vouched = Vouched(commitment.answer(transaction_uid, verdicts), min(kept, default=None))
    _remember(who, transaction_uid, vouched, count=len(kept))
    return vouched


def recall(who: Principal, transaction_uid: str) -> Vouched:
    """What was answered to this caller within the last week; raises NotFound."""
    found = Commitment.objects.filter(
        principal=who.ident, transaction_uid=transaction_uid, asked_at__gt=Now() - jobs.KEEP_COMMITMENTS
    ).first()
    if found is None:
        raise errors.NotFound
    return Vouched(found.answer, found.kept_until)


def _find(who: Principal, asked: Sequence[Reference], transfer_id: UUID | None) -> dict[str, _Row]:
    """The row of each instance that stays longest."""
    transfers = {seen.transfer_id for seen in access.sights(who)} | set(access.sent_ids(who))
    if transfer_id is not None:
        if transfer_id not in transfers:
            raise errors.NotFound
        transfers = {transfer_id}
    found: dict[str, _Row] = {}
    with connection.cursor() as cursor:
        uids = [one.sop_instance_uid for one in asked]
        idle = f"{retention.DRAFT_IDLE.days} days"
        cursor.execute(_FIND, {"uids": uids, "transfers": list(transfers), "idle": idle})
        for uid, *columns in cursor.fetchall():
            found.setdefault(uid, _Row(*columns))
    return found


def _is_sound(name: str, length: int) -> bool:
    try:
        return vault.size(name) >= length
    except errors.Integrity:
        return False


def _judge(asked: Reference, row: _Row | None, sound: dict[str, bool], url_of: Callable[[UUID], str]) -> Verdict:
    if row is None:
        return Verdict(asked, commitment.NO_SUCH_INSTANCE)
    named = (asked.study_instance_uid, asked.series_instance_uid)
    if any(named) and named != (row.study_instance_uid, row.series_instance_uid):
        return Verdict(asked, commitment.NO_SUCH_INSTANCE)
    if asked.sop_class_uid != row.sop_class_uid:
        return Verdict(asked, commitment.CLASS_CONFLICT)
    if not sound[row.pack]:
        return Verdict(asked, commitment.PROCESSING_FAILURE)
    path = f"/studies/{row.study_instance_uid}/series/{row.series_instance_uid}/instances/{asked.sop_instance_uid}"
    return Verdict(asked, url=url_of(row.transfer_id) + path)


@transaction.atomic
def _remember(who: Principal, transaction_uid: str, vouched: Vouched, *, count: int) -> None:
    Commitment.objects.filter(asked_at__lt=Now() - jobs.KEEP_COMMITMENTS).delete()
    mine = Commitment.objects.filter(principal=who.ident)
    if mine.count() >= MAX_ASKED:
        raise errors.TooManyRequests(_OVER, retry_after=3600)
    values: dict[str, Any] = {  # Any: column values
        "answer": vouched.members,
        "kept_until": vouched.until,
        "asked_at": Now(),
    }
    _, is_new = mine.get_or_create(principal=who.ident, transaction_uid=transaction_uid, defaults=values)
    if not is_new:
        raise errors.Conflict(_USED)
    home = who.home("store") or who.home("read")
    audit.record(
        who,
        "storage.commit",
        organization_id=home.organization_id if home else None,
        subject=f"transaction:{transaction_uid}",
        detail={"instances": count, "until": vouched.until.isoformat() if vouched.until else ""},
    )
