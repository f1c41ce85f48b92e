"""Where a notification goes, and the time zone its reader lives in."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q

from accounts.models import Department, Membership, Organization
from transfers import farewells
from transfers.models import Delivery, Notification, Transfer
from transfers.notifying.announcing import key_of


@dataclass(frozen=True, slots=True)
class Readers:
    """One message to all of them; more than one only where they are colleagues."""

    addresses: tuple[str, ...]
    time_zone: str


def of(notification: Notification) -> Readers:
    """The readers of a notification; no addresses where nobody can be reached."""
    if notification.audience == "operator":
        return Readers((settings.OPERATOR_EMAIL,) if settings.OPERATOR_EMAIL else (), settings.TIME_ZONE)
    if notification.audience == "admin":
        assert notification.organization
        return _members(notification.organization, None, Q(may_administer=True))
    assert notification.transfer
    if notification.audience == "sender":
        return _sender(notification.transfer)
    assert notification.delivery
    if notification.event == farewells.EVENT and notification.delivery.email_hash is not None:
        return Readers((farewells.address_of(notification),), notification.transfer.sender.time_zone)
    return _recipient(notification.transfer, notification.delivery)


def _recipient(transfer: Transfer, delivery: Delivery) -> Readers:
    if delivery.organization:
        return _place(delivery.organization, delivery.department, Q(may_receive=True))
    if delivery.user:
        return Readers((delivery.user.email,) if delivery.user.is_active else (), delivery.user.time_zone)
    row = bytes(delivery.email_hash or b"").hex()
    address = key_of(transfer).open("email", row, delivery.email_record or b"").decode()
    return Readers((address,), transfer.sender.time_zone)


def _sender(transfer: Transfer) -> Readers:
    """The person who sent it; for a machine's push the place it was sent from."""
    if transfer.sender_user and transfer.sender_user.is_active:
        return Readers((transfer.sender_user.email,), transfer.sender_user.time_zone)
    return _place(transfer.sender, transfer.sender_department, Q(may_send=True) | Q(may_administer=True))


def _place(organization: Organization, department: Department | None, role: Q) -> Readers:
    """The address a place has named, or else its people who hold the role."""
    if department and department.notify_email:
        return Readers((department.notify_email,), organization.time_zone)
    if department and (found := _members(organization, department, role)).addresses:
        return found
    if organization.notify_email:
        return Readers((organization.notify_email,), organization.time_zone)
    return _members(organization, None, role)


def _members(organization: Organization, department: Department | None, role: Q) -> Readers:
    people = Membership.objects.filter(role, organization=organization, department=department, user__is_active=True)
    return Readers(_distinct(people.values_list("user__email", flat=True)), organization.time_zone)


def _distinct(addresses: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(addresses)))
