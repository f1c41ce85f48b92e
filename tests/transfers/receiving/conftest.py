"""A sender, its partner, and a way to push."""

from collections.abc import Callable, Iterable, Iterator

import pytest

from accounts.models import Organization, Partnership
from accounts.principals import Place, Principal
from tests import factories
from transfers import access, receiving
from transfers.receiving import Outcome

Push = Callable[..., Outcome]


@pytest.fixture
def sender(db: None) -> Organization:
    return factories.make_organization("st-elsewhere")


@pytest.fixture
def recipient(sender: Organization) -> Organization:
    organization = factories.make_organization("general-hospital")
    Partnership.objects.create(sender=sender, recipient=organization, state=Partnership.State.ACCEPTED)
    return organization


@pytest.fixture
def who(sender: Organization) -> Principal:
    return store_key(sender)


@pytest.fixture
def push(who: Principal, recipient: Organization) -> Push:
    """Push files to the partner's address as one request."""

    def push_files(files: Iterable[bytes], *, address: str = "general-hospital", study: str = "") -> Outcome:
        destination = access.destination_of_address(who, address)
        return receiving.receive(who, destination, (pieces(file) for file in files), study_instance_uid=study)

    return push_files


def store_key(organization: Organization, ident: str = "key:sender") -> Principal:
    place = Place(organization.pk, None, frozenset({"store", "read", "manage"}))
    return Principal(kind="key", ident=ident, places=(place,))


def pieces(file: bytes, size: int = 1000) -> Iterator[bytes]:
    for start in range(0, len(file), size):
        yield file[start : start + size]
