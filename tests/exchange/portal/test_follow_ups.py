"""A follow-up names what it follows and whose it is, and the original names what followed it."""

import secrets
from collections.abc import Callable

import pytest

from accounts.models import AuditEvent
from exchange import passes
from tests import factories, sealing
from tests.actors import Cast
from tests.exchange.portal.linking import FILE, PIN, Link, make_link, text_of
from transfers import access, documenting
from transfers.documenting import Description
from transfers.models import Delivery, Grant, Transfer
from transfers.rules.lifecycle import Access, State

PDF = b"%PDF-1.4 amended"
Pair = tuple[Transfer, Transfer]


def follow(cast: Cast, earlier: Transfer) -> Transfer:
    """A document for an available transfer, as its sender attaches it, checked."""
    attached = documenting.attach(
        cast.sender_store.who,
        transfer_id=earlier.pk,
        chunks=iter([PDF]),
        length=len(PDF),
        description=Description(media_type="application/pdf", title="Amended report"),
    )
    Transfer.objects.filter(pk=attached.transfer_id).update(
        state=State.AVAILABLE, available_at=earlier.available_at or earlier.created_at
    )
    return Transfer.objects.get(pk=attached.transfer_id)


@pytest.fixture
def pair(cast: Cast) -> Pair:
    earlier = sealing.send([FILE], sender=cast.st_elsewhere, to=[cast.general_hospital])
    return earlier, follow(cast, earlier)


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_each_is_linked_to_the_other(cast: Cast, pair: Pair, name: str) -> None:
    earlier, later = pair
    client = getattr(cast, name).client
    page = client.get(f"/transfers/{later.pk}/").content.decode()
    assert "Follow-up of" in page
    assert f'href="/transfers/{earlier.pk}/">{earlier.reference}</a>' in page
    page = client.get(f"/transfers/{earlier.pk}/").content.decode()
    assert "Followed by" in page
    assert f'href="/transfers/{later.pk}/">{later.reference}</a>' in page


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_the_patient_is_that_of_the_original(cast: Cast, pair: Pair, name: str) -> None:
    earlier, later = pair
    text = text_of(getattr(cast, name).client.get(f"/transfers/{later.pk}/"))
    assert "Canary, Yellow" in text and f"As in {earlier.reference}" in text
    assert "Holds 1 document" in text and "0 images" not in text


def test_that_the_original_was_read_is_in_its_trail(cast: Cast, pair: Pair) -> None:
    earlier, later = pair
    cast.bob.client.get(f"/transfers/{later.pk}/")
    assert AuditEvent.objects.filter(action="study.search", subject=f"transfer:{earlier.pk}").exists()


@pytest.mark.parametrize("closed", [Access.DECLINED, Access.WAITING])
def test_who_cannot_open_the_original_reads_no_patient(cast: Cast, pair: Pair, closed: Access) -> None:
    earlier, later = pair
    earlier.deliveries.update(access=closed)
    assert "Canary" not in text_of(cast.bob.client.get(f"/transfers/{later.pk}/"))


def test_who_never_had_the_original_reads_its_reference_without_a_link(cast: Cast, pair: Pair) -> None:
    earlier, later = pair
    factories.make_delivery(later, organization=cast.strangers)
    page = cast.mallory.client.get(f"/transfers/{later.pk}/").content.decode()
    assert earlier.reference in page and "Canary" not in page
    assert str(earlier.pk) not in page


def test_the_api_names_both(cast: Cast, pair: Pair) -> None:
    earlier, later = pair
    told = cast.recipient_read.client.get(f"/api/transfers/{later.pk}/").json()
    assert (told["follows"], told["follows_reference"]) == (str(earlier.pk), earlier.reference)
    assert cast.recipient_read.client.get(f"/api/transfers/{earlier.pk}/").json()["followers"] == [str(later.pk)]


# By a link


@pytest.fixture
def linked(cast: Cast) -> tuple[Link, Callable[[], Link]]:
    """A reader of a link, and how a follow-up reaches the same reader."""
    link = make_link(cast)
    delivery = Delivery.objects.get(pk=link.grant.delivery_id)
    sealed = factories.key_of(link.transfer).seal("email", bytes(delivery.email_hash or b"").hex(), b"r@x.example")
    Delivery.objects.filter(pk=delivery.pk).update(email_record=sealed)
    digest = access.digest_of_pin(delivery, PIN)
    Grant.objects.filter(pk=link.grant.pk).update(pin_digest=digest)

    def again() -> Link:
        later = follow(cast, link.transfer)
        return Link(later, Grant.objects.get(delivery__transfer=later), "")

    return link, again


def inside(link: Link) -> str:

    class Jar:
        def set_cookie(self, name: str, value: str, **_: object) -> None:
            link.browser.cookies[name] = value

    passes.give(Jar(), link.grant.pk)  # type: ignore[arg-type]  # all it asks of an answer
    return text_of(link.browser.get(link.inside))


def test_the_reader_of_a_link_reads_what_it_follows_and_whose_it_is(
    linked: tuple[Link, Callable[[], Link]],
) -> None:
    link, again = linked
    later = again()
    text = inside(later)
    assert f"Follow-up of {link.transfer.reference}" in text
    assert "Canary, Yellow" in text
    text = inside(link)
    assert f"Followed by {later.transfer.reference}" in text


def test_a_reader_with_another_pin_reads_no_patient(linked: tuple[Link, Callable[[], Link]]) -> None:
    link, again = linked
    later = again()
    Grant.objects.filter(pk=link.grant.pk).update(pin_digest=secrets.token_bytes(32))
    text = inside(later)
    assert "Follow-up of" in text and "Canary" not in text


def test_a_reader_whose_first_link_was_taken_back_reads_no_patient(
    linked: tuple[Link, Callable[[], Link]],
) -> None:
    link, again = linked
    later = again()
    Delivery.objects.filter(pk=link.grant.delivery_id).update(access=Access.REVOKED)
    assert "Canary" not in inside(later)


def test_two_links_without_a_pin_have_none_in_common(linked: tuple[Link, Callable[[], Link]]) -> None:
    _, again = linked
    later = again()
    Grant.objects.update(pin_digest=None)
    text = inside(later)
    assert "Follow-up of" in text and "Canary" not in text


def test_a_reader_whose_first_link_is_locked_reads_no_patient(linked: tuple[Link, Callable[[], Link]]) -> None:
    link, again = linked
    later = again()
    Grant.objects.filter(pk=link.grant.pk).update(locked_at=link.grant.created_at)
    assert "Canary" not in inside(later)
