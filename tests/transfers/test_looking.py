"""Whether a caller still sees the same: each change in what decides it, whatever the order of commits."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Organization
from accounts.principals import Principal
from tests import factories, sealing
from transfers import access, retrieving, searching
from transfers.models import Delivery, Transfer
from transfers.rules.lifecycle import Access, State
from transfers.searching import Level, Scope

pytestmark = pytest.mark.django_db(transaction=True)

CHANGES: dict[str, tuple[type[Transfer | Delivery], dict[str, Any]]] = {  # Any: column values
    "closed": (Transfer, {"state": State.CLOSED}),
    "shortened": (Transfer, {"available_until": timezone.now() + timedelta(days=1)}),
    "destroyed": (Transfer, {"wrapped_key": None}),
    "wrapped anew": (Transfer, {"day_key_id": "2026-12-24-0123456789abcdef"}),
    "revoked": (Delivery, {"access": Access.REVOKED}),
}


@pytest.fixture
def recipient() -> Organization:
    return factories.make_organization()


@pytest.fixture
def who(recipient: Organization) -> Principal:
    return sealing.caller(recipient)[0]


@pytest.fixture
def transfer(recipient: Organization) -> Transfer:
    return factories.make_transfer(factories.make_organization(), to=[recipient], state=State.AVAILABLE)


def test_nothing_changes_by_itself(who: Principal, transfer: Transfer) -> None:
    seen, mark = access.look(who)
    assert [sight.transfer_id for sight in seen] == [transfer.pk]
    assert access.look_again(who, mark) is not None


@pytest.mark.parametrize("change", CHANGES)
def test_what_decides_is_noticed(who: Principal, transfer: Transfer, change: str) -> None:
    model, values = CHANGES[change]
    mine = {"pk": transfer.pk} if model is Transfer else {"transfer_id": transfer.pk}
    _, mark = access.look(who)
    model._default_manager.filter(**mine).update(**values)
    assert access.look_again(who, mark) is None
    _, mark = access.look(who)
    assert access.look_again(who, mark) is not None


def test_a_new_transfer_is_noticed(who: Principal, recipient: Organization) -> None:
    _, mark = access.look(who)
    factories.make_transfer(factories.make_organization(), to=[recipient], state=State.AVAILABLE)
    assert access.look_again(who, mark) is None


def test_what_others_see_changes_nothing(who: Principal, transfer: Transfer) -> None:
    _, mark = access.look(who)
    factories.make_transfer(factories.make_organization(), to=[factories.make_organization()], state=State.AVAILABLE)
    Transfer.objects.filter(pk=transfer.pk).update(revision=7, byte_count=8)
    assert access.look_again(who, mark) is not None


def test_the_clock_is_noticed(who: Principal, transfer: Transfer) -> None:
    sealing.lapse(transfer)
    later = factories.make_transfer(
        factories.make_organization(),
        to=[Organization.objects.get(pk=who.places[0].organization_id)],
        state=State.AVAILABLE,
    )
    seen, mark = access.look(who)
    assert [sight.transfer_id for sight in seen] == [later.pk]
    ended = replace(mark, until=timezone.now() - timedelta(seconds=1))
    assert access.look_again(who, ended) is None


def test_a_change_that_began_before_and_is_committed_after_is_noticed(who: Principal, transfer: Transfer) -> None:
    """Neither a time nor a number of a row would tell: both were given out before the mark."""
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}) as other:
        other.execute("UPDATE transfers_delivery SET access = 'revoked' WHERE transfer_id = %s", [transfer.pk])
        factories.make_transfer(factories.make_organization(), to=[], state=State.AVAILABLE)
        _, mark = access.look(who)
        newer = access.look_again(who, mark)
        assert newer is not None
        other.commit()
    assert access.look_again(who, newer) is None


def test_a_number_of_another_cluster_is_old(who: Principal, transfer: Transfer) -> None:
    """As after a restore from a dump: the triggers are made after the rows."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE transfers_delivery SET changed_in = '999999999999'")
    _, mark = access.look(who)
    assert access.look_again(who, mark) is not None


def test_all_is_looked_at_anew_every_minute(who: Principal, transfer: Transfer) -> None:
    _, mark = access.look(who)
    assert timezone.now() < mark.until < timezone.now() + timedelta(seconds=61)


def test_another_server_is_asked_anew(who: Principal, transfer: Transfer) -> None:
    """It may have lost what was committed last, and gives the numbers of it out again."""
    _, mark = access.look(who)
    other = replace(mark, server_started_at=mark.server_started_at - timedelta(seconds=1))
    assert access.look_again(who, other) is None


def test_a_search_opens_nothing_twice(who: Principal, recipient: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    sender = factories.make_organization()
    sealing.send([factories.make_ct(PatientID="P-1")], sender=sender, to=[recipient])
    scope = Scope(who, "https://exchange.example/dicomweb")
    query = searching.parse(Level.STUDY, [("PatientID", "P-1")], levels=[Level.STUDY])
    first = searching.search(scope, query).records
    with monkeypatch.context() as patched:
        patched.setattr(retrieving, "open_key", None)
        assert searching.search(scope, query).records == first
    revoked = Delivery.objects.filter(organization=recipient)
    revoked.update(access=Access.REVOKED)
    assert searching.search(scope, query).records == []


def test_a_link_looks_anew(transfer: Transfer) -> None:
    holder = Principal(kind="link", ident="link:1", bound_to=f"delivery:{transfer.deliveries.get().pk}")
    _, mark = access.look(holder)
    assert access.look_again(holder, mark) is None
