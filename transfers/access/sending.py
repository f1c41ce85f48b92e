"""Where a push may go: decided before a byte of the body is read."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Now

from accounts import statements
from accounts.models import Department, Organization, Partnership, User
from accounts.principals import Place, Principal
from transfers import errors
from transfers.models import Transfer
from transfers.rules.lifecycle import OVER, Access, State


@dataclass(frozen=True, slots=True)
class Recipient:
    """Exactly one of: an organisation (with a department or not), a user, an e-mail address without account."""

    organization_id: int | None = None
    department_id: int | None = None
    user_id: int | None = None
    email: str = ""
    access: Access = Access.OPEN
    retention_days: int | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """A sender and where its push goes: an address, a transfer that is there, or a draft (neither)."""

    sender_id: int
    sender_department_id: int | None
    retention: timedelta
    grace: timedelta
    quiet_stow: timedelta
    quiet_cut: timedelta
    close_when_fulfilled: bool
    address: str = ""
    recipient: Recipient | None = None
    transfer_id: UUID | None = None

    @property
    def is_draft(self) -> bool:
        return self.recipient is None and self.transfer_id is None


# The sender, the addressed place and their agreement, in one statement: this is read at every push.
_ADDRESS = """
    SELECT s.retention_days, s.retention_ceiling_days, s.grace_days, s.quiet_stow_seconds, s.quiet_cut_seconds,
           s.close_when_fulfilled, r.id, d.id, p.state = 'accepted' AND coalesce(p.expires_at > now(), true),
           p.auto_accept, p.retention_days
      FROM accounts_organization s
      JOIN accounts_organization r ON r.address = %s AND r.is_active
      LEFT JOIN accounts_department d ON d.organization_id = r.id AND d.slug = %s AND d.is_active
      LEFT JOIN accounts_partnership p ON p.sender_id = s.id AND p.recipient_id = r.id
     WHERE s.id = %s
"""
_SENDER = """
    SELECT retention_days, retention_ceiling_days, grace_days, quiet_stow_seconds, quiet_cut_seconds,
           close_when_fulfilled
      FROM accounts_organization WHERE id = %s AND is_active
"""


def destination_of_address(who: Principal, address: str) -> Destination:
    """The destination named by `general-hospital` or `general-hospital.radiology`.

    Raises Forbidden without the right to store, NotFound where there is no such address, InvalidField for one's own.
    """
    _refuse_bound(who)
    return _addressed(who, address)


def _addressed(who: Principal, address: str) -> Destination:
    place = _sending_place(who)
    organization, _, department = address.lower().partition(".")
    row = statements.one(_ADDRESS, [organization, department, place.organization_id])
    if row is None or (department and row[7] is None):
        raise errors.NotFound("There is no such address. Search the directory for the right one.")
    days, ceiling, grace, quiet, cut, fulfil, recipient_id, department_id, is_partner, auto, agreed = row
    is_own = recipient_id == place.organization_id
    if is_own and department_id == place.department_id:
        raise errors.InvalidField("recipients", "This is your own address: name the one that it should go to.")
    is_open = is_own or (bool(is_partner) and bool(auto))
    recipient = Recipient(
        organization_id=recipient_id,
        department_id=department_id,
        access=Access.OPEN if is_open else Access.WAITING,
        retention_days=agreed,
    )
    return Destination(
        sender_id=place.organization_id,
        sender_department_id=place.department_id,
        retention=timedelta(days=min(agreed or days, ceiling)),
        grace=timedelta(days=grace),
        quiet_stow=timedelta(seconds=quiet),
        quiet_cut=timedelta(seconds=cut),
        close_when_fulfilled=fulfil,
        address=address.lower(),
        recipient=recipient,
    )


def draft_destination(who: Principal) -> Destination:
    """A draft of the caller's organisation, to be addressed later. Raises Forbidden without the right to store."""
    _refuse_bound(who)
    place = _sending_place(who)
    return _plain_destination(place.organization_id, place.department_id, transfer_id=None)


def destination_of_transfer(who: Principal, transfer_id: UUID) -> Destination:
    """A transfer of the caller's own organisation that may still take instances, or whose follow-up may.

    Raises NotFound where it is not the caller's, Gone where it is closed.
    """
    place = _sending_place(who)
    transfer = (
        Transfer.objects.filter(pk=transfer_id, sender_id=place.organization_id)
        .annotate(is_overdue=ExpressionWrapper(Q(available_until__lte=Now()), output_field=BooleanField()))
        .first()
    )
    if transfer is None or (place.department_id and transfer.sender_department_id != place.department_id):
        raise errors.NotFound
    if who.bound_to and who.bound_to != f"transfer:{transfer_id}":
        raise errors.NotFound
    is_lapsed = transfer.is_overdue and transfer.state != State.DRAFT
    if is_lapsed or State(transfer.state) in OVER:
        raise errors.Gone("This transfer is over. Send the study as a new transfer.")
    if transfer.state == State.AVAILABLE:
        raise errors.Conflict(
            "This transfer is available and never changes. Push to the recipient's address: a follow-up is made."
        )
    return _plain_destination(place.organization_id, place.department_id, transfer_id=transfer_id)


def resolve_recipient(who: Principal, *, address: str = "", email: str = "") -> Recipient:
    """A recipient named by address or e-mail; an e-mail becomes the person whose account it is, for colleagues and
    partners of that person's organisation alone.

    For anybody else it is an e-mail like any other, reached by a link with a PIN: so naming a person never gets past
    the acceptance that naming the organisation waits for, and no answer tells who has an account. Raises NotFound for
    an unknown address.
    """
    if address:
        recipient = _addressed(who, address).recipient
        assert recipient is not None
        return recipient
    return _known_person(who, email.strip()) or Recipient(email=email.strip().lower())


def find_places(query: str, *, limit: int = 50) -> list[Organization | Department]:
    """The directory: active organisations and departments whose name or address holds the query."""
    organizations = Organization.objects.filter(is_active=True)
    departments = Department.objects.filter(is_active=True, organization__is_active=True).select_related("organization")
    if query:
        organizations = organizations.filter(name__icontains=query) | organizations.filter(address__icontains=query)
        departments = departments.filter(name__icontains=query) | departments.filter(
            organization__address__icontains=query
        )
    places: list[Organization | Department] = [*organizations[:limit], *departments[:limit]]
    return places[:limit]


def partners_of(who: Principal, *, limit: int = 50) -> list[Organization | Department]:
    """Where the caller's organisation may send without asking: its accepted partners, each with its departments."""
    place = who.home("store")
    if place is None:
        return []
    organizations = Organization.objects.filter(pk__in=_agreed(place).values("recipient"), is_active=True)
    departments = Department.objects.filter(organization__in=organizations, is_active=True)
    places: list[Organization | Department] = [*organizations, *departments.select_related("organization")]
    return sorted(places, key=lambda found: found.address)[:limit]


def _known_person(who: Principal, email: str) -> Recipient | None:
    """A person of the sender's own organisation, or of a partner's; with access at once where that one accepts so."""
    place = _sending_place(who)
    user = User.objects.filter(email__iexact=email, is_active=True).only("id").first()
    if user is None:
        return None
    places = user.memberships.filter(organization__is_active=True).exclude(department__is_active=False)
    homes = set(places.values_list("organization_id", flat=True))
    if place.organization_id in homes:
        return Recipient(user_id=user.pk)
    accepts = list(_agreed(place).filter(recipient__in=homes).values_list("auto_accept", flat=True))
    if not accepts:
        return None
    return Recipient(user_id=user.pk, access=Access.OPEN if any(accepts) else Access.WAITING)


def _agreed(place: Place) -> QuerySet[Partnership]:
    """The partnerships that let this place send, now."""
    return Partnership.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=Now()), sender=place.organization_id, state=Partnership.State.ACCEPTED
    )


def _refuse_bound(who: Principal) -> None:
    """A credential for one transfer begins no other."""
    if who.bound_to:
        raise errors.Forbidden("This credential is for one transfer. Push below /dicomweb/transfers/ with its id.")


def _sending_place(who: Principal) -> Place:
    place = who.home("store")
    if place is None:
        raise errors.Forbidden("This credential has no right to send. Ask your administrator for one that has.")
    return place


def _plain_destination(sender_id: int, department_id: int | None, *, transfer_id: UUID | None) -> Destination:
    row = statements.one(_SENDER, [sender_id])
    if row is None:
        raise errors.NotFound
    days, ceiling, grace, quiet, cut, fulfil = row
    return Destination(
        sender_id=sender_id,
        sender_department_id=department_id,
        retention=timedelta(days=min(days, ceiling)),
        grace=timedelta(days=grace),
        quiet_stow=timedelta(seconds=quiet),
        quiet_cut=timedelta(seconds=cut),
        close_when_fulfilled=fulfil,
        transfer_id=transfer_id,
    )
