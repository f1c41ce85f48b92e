"""Named actors: who they are never changes from test to test, so that a table can say what each may do.

*St Elsewhere* sends. *General Hospital* is its partner, *County Clinic* is not. *Mallory* belongs to a site that has
nothing to do with any of it, and must see nothing.
"""

from dataclasses import dataclass, field
from typing import Any

from django.test import Client

from accounts import authentication, credentials
from accounts.models import Membership, Organization, Partnership, User
from accounts.principals import Principal, Scope


@dataclass(frozen=True)
class Actor:
    """Somebody with a key, a session, or neither."""

    name: str
    key: str = field(default="", repr=False)
    user: User | None = None

    @property
    def client(self) -> Client:
        """A fresh client that calls as this actor."""
        if self.key:
            return Client(headers={"Authorization": f"Bearer {self.key}"})
        client = Client()
        if self.user is not None:
            client.force_login(self.user)
        return client

    @property
    def who(self) -> Principal:
        """The principal that a phase is called with."""
        if self.key:
            return authentication.authenticate_secret(self.key)
        assert self.user is not None
        who = authentication.principal_of_user(self.user)
        assert who is not None
        return who


@dataclass(frozen=True)
class Cast:
    """Everybody, and the three sites with the stranger's."""

    st_elsewhere: Organization
    general_hospital: Organization
    county_clinic: Organization
    strangers: Organization
    # St Elsewhere
    alice: Actor  # administers and sends
    carol: Actor  # only receives there: what her site sends is not hers to see
    sender_store: Actor
    sender_read: Actor
    sender_manage: Actor
    # General Hospital
    bob: Actor  # receives
    recipient_read: Actor
    # County Clinic
    clinic_read: Actor
    # nobody's
    mallory: Actor
    stranger_key: Actor
    anonymous: Actor

    def all(self) -> list[Actor]:
        return [value for value in vars(self).values() if isinstance(value, Actor)]


def make_cast() -> Cast:
    """Make them in the database of a test."""
    sites = {
        address: Organization.objects.create(
            address=address, name=address.replace("-", " ").title(), desk_phone="+44 20 7946 0000"
        )
        for address in ("st-elsewhere", "general-hospital", "county-clinic", "strange-place")
    }
    elsewhere, general, clinic, strange = sites.values()
    Partnership.objects.create(sender=elsewhere, recipient=general, state=Partnership.State.ACCEPTED)
    return Cast(
        st_elsewhere=elsewhere,
        general_hospital=general,
        county_clinic=clinic,
        strangers=strange,
        alice=_person("alice", elsewhere, may_send=True, may_receive=True, may_administer=True),
        carol=_person("carol", elsewhere, may_receive=True),
        sender_store=_machine("sender_store", elsewhere, "store"),
        sender_read=_machine("sender_read", elsewhere, "read"),
        sender_manage=_machine("sender_manage", elsewhere, "manage"),
        bob=_person("bob", general, may_receive=True),
        recipient_read=_machine("recipient_read", general, "read"),
        clinic_read=_machine("clinic_read", clinic, "read"),
        mallory=_person("mallory", strange, may_send=True, may_receive=True, may_administer=True),
        stranger_key=_machine("stranger_key", strange, "store", "read", "manage"),
        anonymous=Actor("anonymous"),
    )


def _person(name: str, organization: Organization, **roles: Any) -> Actor:  # Any: booleans by role
    user = User.objects.create_user(f"{name}@{organization.address}.example", name=name.title())
    Membership.objects.create(user=user, organization=organization, **roles)
    return Actor(name, user=user)


def _machine(name: str, organization: Organization, *scopes: Scope) -> Actor:
    return Actor(name, key=credentials.issue_key(organization, name=name, scopes=scopes).secret)
