"""`manage.py seed_demo`: three sites that trust each other, their people and their keys, to try the exchange with.

Running it again changes nothing but the passwords, and makes fresh keys beside the older ones. It works while the
server runs, and on an empty database as well as on one in use: only what carries these names is touched.
"""

import json
import secrets
from argparse import ArgumentParser
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction

from accounts import credentials
from accounts.models import Department, Membership, Organization, Partnership, User
from accounts.principals import Scope


@dataclass(frozen=True, slots=True)
class Site:
    """What a demonstration site is made of."""

    address: str
    name: str
    ae_title: str
    phone: str
    departments: tuple[tuple[str, str, str], ...] = ()  # slug, name, AE title


SITES: Final = (
    Site("st-elsewhere", "St Elsewhere", "ST_ELSEWHERE", "+44 20 7946 0101", (("radiology", "Radiology", "STE_RAD"),)),
    Site(
        "general-hospital",
        "General Hospital",
        "GENERAL_HOSP",
        "+44 20 7946 0202",
        (("radiology", "Radiology", "GH_RADIOLOGY"), ("neurology", "Neurology", "GH_NEUROLOGY")),
    ),
    Site("county-clinic", "County Clinic", "COUNTY_CLINIC", "+44 20 7946 0303"),
)
# Whoever signs in with these; each site has all of them.
PEOPLE: Final[dict[str, tuple[str, ...]]] = {
    "sender": ("send",),
    "reader": ("receive",),
    "administrator": ("send", "receive", "administer"),
}
OPERATOR: Final = "operator@waystation.example"
KEYS: Final[dict[str, tuple[Scope, ...]]] = {
    "store_key": ("store",),
    "read_key": ("read",),
    "manage_key": ("manage",),
}


@dataclass(frozen=True, slots=True)
class SeededSite:
    address: str
    ae_title: str
    store_key: str = field(repr=False)
    read_key: str = field(repr=False)
    manage_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SeededUser:
    email: str
    password: str = field(repr=False)
    organization: str | None
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seed:
    """Everything a stranger needs to try all roads; the secrets exist nowhere else."""

    base_url: str
    dimse_host: str
    dimse_port: int
    organizations: dict[str, SeededSite]
    users: tuple[SeededUser, ...]

    def user(self, email: str) -> SeededUser:
        return next(user for user in self.users if user.email == email)


class Command(BaseCommand):
    help = "Make three demonstration sites with people, partnerships and fresh keys, and print what opens them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's signature
        seeded = seed()
        if options["json"]:
            self.stdout.write(json.dumps(asdict(seeded), indent=2))
            return
        self.stdout.write(f"{seeded.base_url}\n")
        for site in seeded.organizations.values():
            self.stdout.write(f"\n{site.address}")
            self.stdout.write(f"  store  {site.store_key}\n  read   {site.read_key}\n  manage {site.manage_key}")
        self.stdout.write("\nThese passwords are new; those printed before are good no longer.")
        for user in seeded.users:
            self.stdout.write(f"{user.email:44} {user.password}  {', '.join(user.roles)}")


@transaction.atomic
def seed() -> Seed:
    """Bring the sites, people and partnerships about, in one transaction, and issue their keys."""
    organizations = [_organization(site) for site in SITES]
    _make_partners(organizations)
    users = [_person(role, organization) for organization in organizations for role in PEOPLE]
    return Seed(
        base_url=settings.PUBLIC_URL,
        dimse_host=settings.PUBLIC_HOST,
        dimse_port=settings.EXCHANGE_DIMSE_PORT,
        organizations={organization.address: _keys(organization) for organization in organizations},
        users=(*users, _operator()),
    )


def _organization(site: Site) -> Organization:
    organization, _ = Organization.objects.update_or_create(
        address=site.address,
        defaults={
            "name": site.name,
            "ae_title": site.ae_title,
            "desk_phone": site.phone,
            "notify_email": f"desk@{site.address}.example",
            "is_active": True,
        },
    )
    for slug, name, ae_title in site.departments:
        Department.objects.update_or_create(
            organization=organization,
            slug=slug,
            defaults={
                "name": name,
                "ae_title": ae_title,
                "notify_email": f"{slug}@{site.address}.example",
                "is_active": True,
            },
        )
    return organization


def _make_partners(organizations: list[Organization]) -> None:
    for sender in organizations:
        for recipient in organizations:
            if sender != recipient:
                Partnership.objects.update_or_create(
                    sender=sender,
                    recipient=recipient,
                    defaults={"state": Partnership.State.ACCEPTED, "auto_accept": True, "expires_at": None},
                )


def _person(role: str, organization: Organization) -> SeededUser:
    roles = PEOPLE[role]
    user, password = _login(f"{role}@{organization.address}.example")
    Membership.objects.update_or_create(
        user=user,
        organization=organization,
        department=None,
        defaults={
            "may_send": "send" in roles,
            "may_receive": "receive" in roles,
            "may_administer": "administer" in roles,
        },
    )
    return SeededUser(user.email, password, organization.address, roles)


def _operator() -> SeededUser:
    user, password = _login(OPERATOR)
    user.is_staff = user.is_superuser = True
    user.save(update_fields=["is_staff", "is_superuser"])
    return SeededUser(user.email, password, None, ("operator",))


def _login(email: str) -> tuple[User, str]:
    """The account with a new password; sessions opened with an older one end."""
    user = User.objects.filter(email=email).first() or User(email=email)
    password = secrets.token_urlsafe(12)
    user.set_password(password)
    user.is_active = True
    user.save()
    return user, password


def _keys(organization: Organization) -> SeededSite:
    issued = {
        name: credentials.issue_key(organization, name=f"demonstration: {name.removesuffix('_key')}", scopes=scopes)
        for name, scopes in KEYS.items()
    }
    return SeededSite(
        address=organization.address,
        ae_title=organization.ae_title or "",
        **{name: key.secret for name, key in issued.items()},
    )
