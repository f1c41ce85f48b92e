"""Who is told of what: rows and jobs, written in one transaction; running twice tells nobody twice.

An event that can come again carries the moment it began (`held:1790000000`), so that each time is told once.
"""

import secrets
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from accounts import credentials
from accounts.models import Organization
from transfers import transitions
from transfers.keys import opened
from transfers.keys.opened import TransferKey, WrappedKey
from transfers.models import Delivery, Grant, Notification, Switch, Tombstone, Transfer
from transfers.rules.lifecycle import Access, Progress, Reason, State


@transaction.atomic
def announce_available(transfer_id: UUID) -> None:
    """Tell every recipient: that images are there, or that they wait to be accepted."""
    if transfer := _locked(transfer_id, state=State.AVAILABLE):
        for delivery in transfer.deliveries.order_by("id"):
            _announce(transfer, delivery)


@transaction.atomic
def announce_delivery(delivery_id: int) -> None:
    """The same for one delivery, when it was added or accepted; a transfer that is not available yet says it later."""
    delivery = Delivery.objects.filter(pk=delivery_id).first()
    if delivery and (transfer := _locked(delivery.transfer_id, state=State.AVAILABLE)):
        _announce(transfer, delivery)


@transaction.atomic
def announce_renewed(delivery_id: int) -> None:
    """Send the reader the link that took the place of an earlier one; before it is available, the first mail does."""
    delivery = Delivery.objects.filter(pk=delivery_id, access=Access.OPEN).first()
    transfer = _locked(delivery.transfer_id, state=State.AVAILABLE) if delivery else None
    grant = delivery.grants.filter(revoked_at=None).order_by("-id").first() if delivery else None
    if delivery is None or transfer is None or grant is None:
        return
    # A mail that has not gone yet would bring a link that opens nothing.
    earlier = delivery.notifications.filter(state="pending", secret_record__isnull=False)
    earlier.exclude(event=f"renewed:{grant.pk}").update(
        state="dropped", secret_record=None, error="A newer link took the place of the one in it."
    )
    _give_secret(transfer, delivery, _tell(transfer, f"renewed:{grant.pk}", "recipient", delivery))


@transaction.atomic
def announce_locked(grant_id: int) -> None:
    """Tell the sender that wrong PINs have locked a link: only a new one helps its reader."""
    grant = (
        Grant.objects.filter(pk=grant_id, revoked_at=None, locked_at__isnull=False).select_related("delivery").first()
    )
    if grant and (transfer := _locked(grant.delivery.transfer_id, state=State.AVAILABLE)):
        _tell(transfer, f"locked:{grant_id}", "sender", grant.delivery)


@transaction.atomic
def announce_reopened(transfer_id: UUID) -> None:
    """Tell recipients that what was closed can be fetched again; a link in an earlier mail works as before."""
    if transfer := _locked(transfer_id, state=State.AVAILABLE):
        for delivery in transfer.deliveries.filter(access=Access.OPEN):
            _tell(transfer, f"re-opened:{_since(transfer)}", "recipient", delivery)


@transaction.atomic
def announce_held(transfer_id: UUID) -> None:
    """Tell the sender what holds it, and each desk that waits for it that it is held."""
    if transfer := _locked(transfer_id, state=State.HELD):
        event = f"held:{_since(transfer)}"
        _tell(transfer, event, "sender")
        for delivery in transfer.deliveries.filter(access=Access.OPEN, organization__isnull=False):
            _tell(transfer, event, "desk", delivery)


@transaction.atomic
def announce_rejected(transfer_id: UUID) -> None:
    """Tell the sender that nothing of it could be used."""
    if transfer := _locked(transfer_id, state=State.REJECTED):
        _tell(transfer, "rejected", "sender")


@transaction.atomic
def announce_lapsed(transfer_id: UUID) -> None:
    """Tell the sender, if somebody has not fetched it."""
    transfer = _locked(transfer_id, state=State.CLOSED, reason=Reason.LAPSED)
    if transfer and (transfer.available_at is None or _unfetched(transfer).exists()):
        _tell(transfer, f"lapsed:{_since(transfer)}", "sender")


@transaction.atomic
def announce_withdrawn(transfer_id: UUID) -> None:
    """Tell recipients who could have opened it; a restore that destroys again what had lapsed tells nobody.

    An address without an account went with the transfer: its reader is told by what withdrew it (farewells.py).
    """
    transfer = Transfer.objects.filter(pk=transfer_id, available_at__isnull=False).first()
    if transfer and _was_withdrawn(transfer):
        for delivery in transfer.deliveries.filter(access=Access.OPEN, email_hash=None):
            _tell(transfer, "withdrawn", "recipient", delivery)


@transaction.atomic
def announce_rejections(transfer_id: UUID) -> None:
    """Tell recipients that the sender took back some instances by a rejection note (IHE RAD TF-3 4.66, IOCM)."""
    if transfer := _locked(transfer_id, state=State.AVAILABLE):
        hidden = transfer.instances.exclude(rejected_by="").count()
        for delivery in transfer.deliveries.filter(access=Access.OPEN):
            _tell(transfer, f"rejected-instances:{hidden}", "recipient", delivery)


@transaction.atomic
def announce_declined(delivery_id: int) -> None:
    """Tell the sender that a recipient does not take it; the reason stays inside."""
    delivery = Delivery.objects.filter(pk=delivery_id, access=Access.DECLINED).select_related("transfer").first()
    if delivery:
        _tell(delivery.transfer, "declined", "sender", delivery)


@transaction.atomic
def announce_undelivered(notification: Notification) -> None:
    """Tell the sender that a recipient could not be told; of all other mail that fails only the row speaks."""
    if notification.audience == "recipient" and notification.transfer and notification.delivery:
        _tell(notification.transfer, f"undelivered:{notification.pk}", "sender", notification.delivery)


@transaction.atomic
def warn_quota(organization_id: int, percent: int) -> None:
    """Tell both administrators, the organisation's and the operator, that a limit is near; at most once a day."""
    organization = Organization.objects.get(pk=organization_id)
    event = f"quota:{percent}:{_today()}"
    for audience in ("admin", *_operators()):
        _enqueue(_row(event, audience, organization=organization))


@transaction.atomic
def alarm_operators(switch: str) -> None:
    """Tell the operator that a switch went on by itself, such as the purge brake; its note says why."""
    row = Switch.objects.filter(name=switch, is_on=True).first()
    if row is None:
        return
    for audience in _operators():
        since = int(row.since.timestamp()) if row.since else 0
        _enqueue(_row(f"alarm:{switch[:20]}:{since}", audience))


def _announce(transfer: Transfer, delivery: Delivery) -> None:
    if delivery.access == Access.OPEN:
        notification = _tell(transfer, "available", "recipient", delivery)
        if delivery.email_hash is not None:
            _give_secret(transfer, delivery, notification)
    elif delivery.access == Access.WAITING:
        _tell(transfer, "waiting", "recipient", delivery)


def _tell(transfer: Transfer, event: str, audience: str, delivery: Delivery | None = None) -> Notification:
    return _enqueue(_row(event, audience, transfer=transfer, delivery=delivery))


def _row(
    event: str,
    audience: str,
    *,
    transfer: Transfer | None = None,
    delivery: Delivery | None = None,
    organization: Organization | None = None,
) -> Notification:
    notification, _ = Notification.objects.get_or_create(
        transfer=transfer,
        organization=organization,
        delivery=delivery,
        event=event,
        audience=audience,
        defaults={"message_id": f"<{secrets.token_hex(16)}@{settings.PUBLIC_HOST}>"[:120], "created_at": Now()},
    )
    return notification


def _enqueue(notification: Notification) -> Notification:
    if notification.state == "pending":
        transitions.enqueue("notify", str(notification.pk))
    return notification


def _give_secret(transfer: Transfer, delivery: Delivery, notification: Notification) -> None:
    """Make the link's secret, unless one waits already: sealed in the notification, a keyed hash in the grant."""
    if notification.state != "pending" or notification.secret_record is not None:
        return
    token = credentials.new_link_token()
    grant = delivery.grants.filter(revoked_at=None).order_by("id").first()
    if grant is None:
        return  # the mail will fail and say so
    grant.token_digest = credentials.keyed_digest("link", token)
    grant.save(update_fields=["token_digest"])
    notification.secret_record = key_of(transfer).seal("notification", notification.message_id, token.encode())
    notification.save(update_fields=["secret_record"])


def key_of(transfer: Transfer) -> TransferKey:
    """The opened key of a transfer that is not purged."""
    return opened.open_wrapped(
        WrappedKey(bytes(transfer.wrapped_key or b""), transfer.day_key_id),
        organization=str(transfer.sender_id),
        transfer=str(transfer.pk),
    )


def _locked(transfer_id: UUID, *, state: State, reason: Reason | None = None) -> Transfer | None:
    """The transfer while it is in this state: what has moved on is announced by what moved it."""
    rows = Transfer.objects.select_for_update().filter(pk=transfer_id, state=state)
    return (rows if reason is None else rows.filter(reason=reason)).first()


def _was_withdrawn(transfer: Transfer) -> bool:
    """A withdrawn transfer is purged at once; then its tombstone remembers why."""
    if transfer.reason == Reason.WITHDRAWN:
        return True
    return Tombstone.objects.filter(transfer_id=transfer.pk, reason=Reason.WITHDRAWN).exists()


def _unfetched(transfer: Transfer) -> QuerySet[Delivery]:
    not_pulled = Q(progress__in=[Progress.NONE, Progress.OPENED, Progress.PARTLY_PULLED])
    return transfer.deliveries.filter(not_pulled, access=Access.OPEN)


def _since(transfer: Transfer) -> int:
    return int(transfer.state_changed_at.timestamp())


def _operators() -> tuple[str, ...]:
    return ("operator",) if settings.OPERATOR_EMAIL else ()


def _today() -> str:
    """The database's date; a job that is repeated warns once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')")
        return str(cursor.fetchone()[0])
