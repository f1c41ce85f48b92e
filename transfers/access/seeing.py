"""Which transfers a caller sees, and as whom.

The clock that counts is the database's, at every read; nothing waits for a sweep to close access.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from accounts import statements
from accounts.principals import Principal
from transfers import errors
from transfers.access import links
from transfers.models import Delivery, Transfer
from transfers.rules.lifecycle import Access, State


@dataclass(frozen=True, slots=True)
class Sight:
    """One transfer as one caller sees it: through a delivery, or as its sender (`delivery_id` None).

    Overlays of a delivery will be applied on the way out, which is why every phase that answers takes a Sight.
    """

    transfer_id: UUID
    sender_id: int
    sender_address: str
    delivery_id: int | None
    wrapped_key: bytes
    day_key_id: str
    available_at: datetime | None
    available_until: datetime
    grant_id: int | None = None

    @property
    def is_sender(self) -> bool:
        return self.delivery_id is None


_OPEN = """
     WHERE t.state = 'available' AND t.available_until > now() AND t.wrapped_key IS NOT NULL
       AND d.access = 'open'
"""
_COLUMNS = f"""
    SELECT t.id, t.sender_id, s.address, d.id, t.wrapped_key, t.day_key_id, t.available_at,
           t.available_until
      FROM transfers_delivery d
      JOIN transfers_transfer t ON t.id = d.transfer_id
      JOIN accounts_organization s ON s.id = t.sender_id
    {_OPEN}
"""  # noqa: S608 - only a constant is inserted
_IS_OPEN = """
    SELECT t.wrapped_key IS NOT NULL AND t.reason <> 'withdrawn' AND coalesce(d.access = 'open', true)
           AND coalesce(g.revoked_at IS NULL, true)
      FROM transfers_transfer t LEFT JOIN transfers_delivery d ON d.id = %s LEFT JOIN transfers_grant g ON g.id = %s
     WHERE t.id = %s
"""


def sights(who: Principal, *, study_instance_uid: str = "") -> list[Sight]:
    """The union of the caller's open deliveries, newest first; of two deliveries of one transfer, the first.

    With a Study Instance UID, only those that hold this study: a caller may have ten thousand others.
    """
    condition, parameters = recipient_sql(who)
    if study_instance_uid:
        condition += " AND t.id IN (SELECT transfer_id FROM transfers_study WHERE study_instance_uid = %s)"
        parameters.append(study_instance_uid)
    rows = statements.run(f"{_COLUMNS} AND {condition} ORDER BY t.available_at DESC, d.id", parameters)
    found: dict[UUID, Sight] = {}
    for row in rows:
        found.setdefault(row[0], replace(_sight(row), grant_id=links.grant_of(who)))
    return list(found.values())


def sight(who: Principal, transfer_id: UUID, *, as_recipient: bool = False) -> Sight:
    """One transfer, seen by its sender from the first record on, by a recipient while it is available.

    Who stands on both sides is its sender; `as_recipient`, an open delivery comes first, so that a pull counts for it.
    Raises Gone where it is over and the caller once saw it, Forbidden for a key of its sender that may not read,
    NotFound for everyone and everything else.
    """
    sent = _sent_by(who).filter(pk=transfer_id).select_related("sender").first()
    readable = sent if sent is not None and may_read_sent(who, transfer_id) else None
    if readable is not None and not as_recipient:
        return _as_sender(readable)
    condition, parameters = recipient_sql(who)
    row = statements.one(f"{_COLUMNS} AND {condition} AND t.id = %s ORDER BY d.id", [*parameters, transfer_id])
    if row is not None:
        return replace(_sight(row), grant_id=links.grant_of(who))
    if readable is not None:
        return _as_sender(readable)
    if links.is_closed(who):
        raise errors.Gone(links.CLOSED)
    if sent is not None:
        raise errors.Forbidden("This credential has no right to read. Ask your administrator for one that has.")
    if _over(who).filter(transfer_id=transfer_id).exists():
        raise errors.Gone
    raise errors.NotFound


def was_study_open(who: Principal, study_instance_uid: str) -> bool:
    """Whether the caller once saw a study in a transfer that is over and not yet purged."""
    return _over(who).filter(transfer__studies__study_instance_uid=study_instance_uid).exists()


def ensure_still_open(seen: Sight) -> None:
    """Ask again while an answer is running: a withdrawn transfer, a revoked delivery or link cuts it (Gone).

    A lapse lets a running answer finish.
    """
    row = statements.one(_IS_OPEN, [seen.delivery_id, seen.grant_id, seen.transfer_id])
    if row is None or not row[0]:
        raise errors.Gone


def visible_transfers(who: Principal) -> QuerySet[Transfer]:
    """Transfers the caller may list: those its organisation sent, and those delivered to it and not revoked."""
    delivered = Delivery.objects.filter(recipient_q(who)).exclude(access=Access.REVOKED)
    received = Q(pk__in=delivered.values("transfer_id"), available_at__isnull=False)
    return Transfer.objects.filter(sender_q(who) | received).filter(_bound_q(who)).distinct()


def sender_q(who: Principal) -> Q:
    """Transfers that the caller's organisation or department sent.

    Somebody who may only receive there sees none of them; a key does, for programs ask with it how a push fares.
    """
    places = [place for place in who.places if who.kind != "user" or place.scopes & {"store", "manage"}]
    everywhere = {place.organization_id for place in places if place.department_id is None}
    departments = {place.department_id for place in places if place.department_id is not None}
    return Q(sender_id__in=everywhere) | Q(sender_department_id__in=departments)


def is_sender(who: Principal, transfer_id: UUID) -> bool:
    """Whether the caller's organisation or department sent it, and the caller is not bound to another one."""
    return _sent_by(who).filter(pk=transfer_id).exists()


def may_read_sent(who: Principal, transfer_id: UUID) -> bool:
    """Whether the caller may see what is in a transfer that its side sent, and not only how it fares.

    People who may send or administer may. A key must have the scope for it: that of a modality lies on the modality,
    and who steals it is to get nothing back of what was pushed with it.
    """
    if who.kind == "user" or all("read" in place.scopes for place in who.places):
        return True
    readers = replace(who, places=tuple(place for place in who.places if "read" in place.scopes))
    return is_sender(readers, transfer_id)


def recipient_q(who: Principal) -> Q:
    """Deliveries that are the caller's."""
    if who.kind == "link":
        return Q(pk=_granted_delivery(who), grants=links.grant_of(who), grants__revoked_at=None)
    condition = Q(organization_id__in=who.organizations("read")) | Q(department_id__in=who.departments("read"))
    if who.user_id is not None:
        condition |= Q(user_id=who.user_id)
    return condition


def recipient_sql(who: Principal) -> tuple[str, list[Any]]:  # Any: SQL parameters
    """Deliveries `d` of transfers `t` that are the caller's, as a condition and its values."""
    if who.kind == "link":
        open_grant = "SELECT FROM transfers_grant WHERE id = %s AND delivery_id = d.id AND revoked_at IS NULL"
        return f"d.id = %s AND EXISTS ({open_grant})", [_granted_delivery(who), links.grant_of(who)]
    condition = "(d.organization_id = ANY(%s) OR d.department_id = ANY(%s) OR d.user_id = %s)"
    parameters: list[Any] = [list(who.organizations("read")), list(who.departments("read")), who.user_id]
    if who.bound_to:
        condition += " AND 'transfer:' || t.id = %s"
        parameters.append(who.bound_to)
    return condition, parameters


def _bound_q(who: Principal) -> Q:
    kind, _, ident = who.bound_to.partition(":")
    return Q(pk=ident) if kind == "transfer" else Q()


def _granted_delivery(who: Principal) -> int:
    kind, _, ident = who.bound_to.partition(":")
    return int(ident) if kind == "delivery" else -1


def _sent_by(who: Principal) -> QuerySet[Transfer]:
    if who.kind == "link":
        return Transfer.objects.none()
    return Transfer.objects.filter(sender_q(who), _bound_q(who))


def _as_sender(transfer: Transfer) -> Sight:
    lapsed = Transfer.objects.filter(pk=transfer.pk, available_until__lte=Now()).exclude(state=State.DRAFT).exists()
    if transfer.wrapped_key is None or lapsed or transfer.state in (State.CLOSED, State.PURGED, State.REJECTED):
        raise errors.Gone
    return Sight(
        transfer_id=transfer.pk,
        sender_id=transfer.sender_id,
        sender_address=transfer.sender.address,
        delivery_id=None,
        wrapped_key=bytes(transfer.wrapped_key),
        day_key_id=transfer.day_key_id,
        available_at=transfer.available_at,
        available_until=transfer.available_until,
    )


def _over(who: Principal) -> QuerySet[Delivery]:
    over = Q(transfer__state__in=[State.CLOSED, State.PURGED]) | Q(transfer__available_until__lte=Now())
    mine = Delivery.objects.filter(recipient_q(who), was_open=True, transfer__available_at__isnull=False)
    return mine.filter(over, transfer__in=Transfer.objects.filter(_bound_q(who)))


def _sight(row: tuple[Any, ...]) -> Sight:  # Any: columns of _COLUMNS in order
    transfer_id, sender_id, address, delivery_id, wrapped_key, *times_and_key = row
    return Sight(transfer_id, sender_id, address, delivery_id, bytes(wrapped_key), *times_and_key)
