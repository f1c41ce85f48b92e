"""What may be done to a transfer, by whom: one table."""

from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from django.db.models.functions import Now

from accounts.principals import Principal, Scope
from transfers import errors
from transfers.access import seeing
from transfers.models import Delivery, Transfer
from transfers.rules.lifecycle import Access, State


class Act(StrEnum):
    READ = "read"
    SEND = "send"
    RELEASE = "release"
    EXTEND = "extend"
    WITHDRAW = "withdraw"
    REVOKE = "revoke"
    RENEW_LINK = "renew link"
    REOPEN = "reopen"
    DOCUMENT = "document"
    ACCEPT = "accept"
    DECLINE = "decline"
    ACKNOWLEDGE = "acknowledge"


class _Rule(NamedTuple):
    side: str
    scopes: frozenset[Scope]


_SENDING: frozenset[Scope] = frozenset({"store", "manage"})
_RECEIVING: frozenset[Scope] = frozenset({"read"})

# Any scope lets a member of either side read how a transfer fares; the rest needs the side's own.
RULES: dict[Act, _Rule] = {
    Act.SEND: _Rule("sender", _SENDING),
    Act.RELEASE: _Rule("sender", _SENDING),
    Act.EXTEND: _Rule("sender", _SENDING),
    Act.WITHDRAW: _Rule("sender", _SENDING),
    Act.REVOKE: _Rule("sender", _SENDING),
    Act.RENEW_LINK: _Rule("sender", _SENDING),
    Act.REOPEN: _Rule("sender", _SENDING),
    Act.DOCUMENT: _Rule("sender", _SENDING),
    Act.ACCEPT: _Rule("recipient", _RECEIVING),
    Act.DECLINE: _Rule("recipient", _RECEIVING),
    Act.ACKNOWLEDGE: _Rule("recipient", _RECEIVING),
}

_MISSING = {
    "sender": "Only its sender does this, with the right to store or to manage. Ask your administrator for that right.",
    "recipient": "Only a recipient of it does this, with the right to read. Ask your administrator for that right.",
}


def transfer_for(who: Principal, transfer_id: UUID, act: Act) -> Transfer:
    """The transfer, if the caller may do this to it.

    Raises NotFound where the caller may not even see it, Forbidden where it may be seen but not acted on.
    """
    transfer = seeing.visible_transfers(who).filter(pk=transfer_id).select_related("sender").first()
    if transfer is None:
        raise errors.NotFound
    rule = RULES.get(act)
    if rule is not None and not _holds(who, transfer, rule):
        raise errors.Forbidden(_MISSING[rule.side])
    return transfer


def held_for(who: Principal, transfer_id: UUID) -> Transfer:
    """A transfer that is held on its way to the caller's desk, which was told so: that it is, and nothing in it.

    Raises NotFound for every other one, as for one that never was.
    """
    waiting = Delivery.objects.filter(seeing.recipient_q(who), access=Access.OPEN, organization__isnull=False)
    held = Transfer.objects.filter(pk=transfer_id, state=State.HELD, available_until__gt=Now())
    found = held.filter(pk__in=waiting.values("transfer_id")).select_related("sender", "sender_department").first()
    if found is None or (who.bound_to and who.bound_to != f"transfer:{found.pk}"):
        raise errors.NotFound
    return found


def delivery_for(who: Principal, transfer_id: UUID, act: Act) -> Delivery:
    """The caller's own delivery of a transfer, for what only a recipient does."""
    transfer = transfer_for(who, transfer_id, act)
    delivery = transfer.deliveries.filter(seeing.recipient_q(who)).order_by("id").first()
    if delivery is None:
        raise errors.Forbidden(_MISSING["recipient"])
    return delivery


def _holds(who: Principal, transfer: Transfer, rule: _Rule) -> bool:
    if rule.side == "recipient":
        return transfer.deliveries.filter(seeing.recipient_q(who)).exists()
    return any(
        place.organization_id == transfer.sender_id
        and place.department_id in (None, transfer.sender_department_id)
        and place.scopes & rule.scopes
        for place in who.places
    )
