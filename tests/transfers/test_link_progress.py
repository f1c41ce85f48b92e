"""What the sender sees of a link that was opened with its number."""

import pytest

from tests.actors import make_cast
from tests.exchange.portal.linking import PIN, Link, make_link
from transfers import access
from transfers.access import Verdict
from transfers.models import Delivery

pytestmark = pytest.mark.django_db


@pytest.fixture
def link() -> Link:
    return make_link(make_cast())


def delivery_of(link: Link) -> Delivery:
    return Delivery.objects.get(pk=link.grant.delivery_id)


def test_the_right_number_opens_the_delivery(link: Link) -> None:
    assert access.verify_factor(link.grant, PIN) == Verdict.OPENED
    assert delivery_of(link).progress == "opened"
    assert delivery_of(link).opened_at is not None


def test_a_wrong_one_does_not(link: Link) -> None:
    assert access.verify_factor(link.grant, "00000000") == Verdict.WRONG
    assert (delivery_of(link).progress, delivery_of(link).opened_at) == ("none", None)


def test_what_was_pulled_stays_pulled(link: Link) -> None:
    Delivery.objects.filter(pk=link.grant.delivery_id).update(progress="pulled")
    access.verify_factor(link.grant, PIN)
    assert delivery_of(link).progress == "pulled"
