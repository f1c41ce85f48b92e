"""Who an e-mail address is: a person with an account, or a link with a PIN."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Partnership
from tests.actors import Cast
from tests.transfers.addressing.making import EMAIL, make_draft
from transfers import access, addressing
from transfers.models import Delivery, Grant
from transfers.rules.lifecycle import Access


def test_a_pin_is_told_once_and_kept_as_a_hash(cast: Cast) -> None:
    created = addressing.create(cast.alice.who, recipients=[EMAIL])
    (issued,) = created.pins
    grant = Grant.objects.get(delivery__transfer=created.transfer_id)
    assert re.fullmatch(r"\d{8}", issued.pin)
    assert bytes(grant.pin_digest or b"") == access.digest_of_pin(grant.delivery, issued.pin)


def test_neither_pin_nor_address_lies_in_the_database(cast: Cast) -> None:
    (issued,) = addressing.create(cast.alice.who, recipients=[EMAIL]).pins
    for table in ("transfers_grant", "transfers_delivery", "transfers_transfer", "accounts_auditevent"):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT t::text FROM {table} t")
            text = str(cursor.fetchall())
        assert issued.pin not in text
        assert EMAIL not in text
        assert EMAIL.encode().hex() not in text


def test_an_address_with_an_account_is_that_person(cast: Cast) -> None:
    assert cast.bob.user is not None
    transfer = make_draft(cast, cast.bob.user.email.upper())
    assert transfer.deliveries.get().user == cast.bob.user


def test_a_person_is_not_reached_past_the_acceptance_of_its_site(cast: Cast) -> None:
    assert cast.bob.user is not None
    created = addressing.create(cast.stranger_key.who, recipients=[cast.bob.user.email, EMAIL])
    deliveries = Delivery.objects.filter(transfer=created.transfer_id)
    assert [delivery.user for delivery in deliveries] == [None, None]
    assert [pin.email for pin in created.pins] == [cast.bob.user.email, EMAIL]  # nothing tells who has an account


@pytest.mark.parametrize(
    ("terms", "user", "access"),
    [
        ({"auto_accept": False}, True, Access.WAITING),
        ({"state": Partnership.State.SUSPENDED}, False, Access.OPEN),
        ({"expires_at": timezone.now() - timedelta(days=1)}, False, Access.OPEN),
    ],
)
def test_a_person_of_a_partner_is_reached_on_the_terms_of_the_partnership(
    cast: Cast, terms: dict[str, Any], user: bool, access: Access
) -> None:
    assert cast.bob.user is not None
    Partnership.objects.update(**terms)
    delivery = make_draft(cast, cast.bob.user.email).deliveries.get()
    assert (delivery.user_id is not None, delivery.access) == (user, access)


def test_a_colleague_is_reached_at_once(cast: Cast) -> None:
    assert cast.alice.user is not None
    delivery = make_draft(cast, cast.alice.user.email).deliveries.get()
    assert (delivery.user, delivery.access) == (cast.alice.user, Access.OPEN)


def test_a_recipient_added_again_gets_no_second_pin(cast: Cast) -> None:
    transfer = make_draft(cast, EMAIL)
    assert addressing.add_recipients(cast.alice.who, transfer.pk, [EMAIL]) == ()
