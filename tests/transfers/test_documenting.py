"""Documents are sealed like instances, and follow what is already available."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from accounts import credentials
from accounts.models import Organization
from accounts.principals import Place, Principal
from tests import factories
from transfers import access, documenting, errors, expiring, lookups, receiving, vault
from transfers.access import Verdict
from transfers.documenting import AttachedDocument, Description
from transfers.models import Delivery, Document, Grant, Job, Lease, Pack, Transfer
from transfers.receiving import push
from transfers.rules.lifecycle import Access, State

PDF = b"%PDF-1.4\n" + b"report " * 50
DESCRIPTION = Description(media_type="application/pdf", title="CT Thorax")


@pytest.fixture
def sender(db: None) -> Organization:
    return factories.make_organization()


@pytest.fixture
def who(sender: Organization) -> Principal:
    return Principal(kind="key", ident="key:t", places=(Place(sender.pk, None, frozenset({"store"})),))


def attach(
    who: Principal, transfer: Transfer, content: bytes = PDF, description: Description = DESCRIPTION
) -> AttachedDocument:
    return documenting.attach(
        who, transfer_id=transfer.pk, chunks=iter([content]), length=len(content), description=description
    )


PAST: Final = timedelta(seconds=1)


def attach_while(who: Principal, transfer: Transfer, happens: Callable[[], object]) -> AttachedDocument:
    """Something happens after the first byte and before the last."""

    def chunks() -> Iterator[bytes]:
        yield PDF
        happens()

    return documenting.attach(who, transfer_id=transfer.pk, chunks=chunks(), length=None, description=DESCRIPTION)


def end(transfer: Transfer) -> None:
    Transfer.objects.filter(pk=transfer.pk).update(available_until=timezone.now() - PAST)


def contents(document: Document) -> bytes:
    transfer = document.transfer
    return b"".join(
        vault.read(
            document.pack.name,
            key=factories.key_of(transfer).packs,
            aad_prefix=push.aad_prefix(transfer.sender_id, transfer.pk, document.pack.name),
            stretch=vault.Stretch(document.ordinal, document.offset, document.sealed_length),
            kind=vault.DOCUMENT,
        )
    )


def test_what_comes_out_is_what_went_in(who: Principal, sender: Organization) -> None:
    attached = attach(who, factories.make_transfer(sender, state=State.DRAFT))
    assert contents(Document.objects.get(pk=attached.id)) == PDF
    assert attached.sha256 == hashlib.sha256(PDF).digest()
    assert not Lease.objects.exists()


def test_the_title_is_sealed(who: Principal, sender: Organization) -> None:
    attach(who, factories.make_transfer(sender, state=State.DRAFT))
    document = Document.objects.get()
    assert b"Thorax" not in bytes(document.record or b"")
    record = factories.key_of(document.transfer).open("document", bytes(document.sha256).hex(), document.record or b"")
    assert b"CT Thorax" in record


def test_the_same_bytes_are_one_document(who: Principal, sender: Organization) -> None:
    transfer = factories.make_transfer(sender, state=State.DRAFT)
    first, second = attach(who, transfer), attach(who, transfer)
    assert (second.id, second.is_new) == (first.id, False)
    assert Pack.objects.filter(committed_length=0).count() == 1


def test_a_document_for_a_held_transfer_is_looked_at(who: Principal, sender: Organization) -> None:
    transfer = factories.make_transfer(sender, state=State.HELD)
    attach(who, transfer)
    transfer.refresh_from_db()
    assert transfer.state == State.RECEIVING


def test_a_draft_with_a_document_is_checked(who: Principal, sender: Organization) -> None:
    transfer = factories.make_transfer(sender, state=State.DRAFT)
    attach(who, transfer)
    assert Job.objects.filter(event="transfer.check", row=str(transfer.pk)).exists()


def test_an_available_transfer_never_changes(who: Principal, sender: Organization) -> None:
    recipient = factories.make_organization()
    earlier = factories.make_transfer(sender, to=[recipient], state=State.AVAILABLE)
    attached = attach(who, earlier)
    follow_up = Transfer.objects.get(pk=attached.transfer_id)
    assert (follow_up.follows_id, follow_up.state) == (earlier.pk, State.RECEIVING)
    assert follow_up.finalise_requested
    assert not earlier.documents.exists()
    assert [delivery.organization for delivery in follow_up.deliveries.all()] == [recipient]


def sent_by_mail(sender: Organization, **fields: Any) -> Transfer:  # Any: columns of the grant
    earlier = factories.make_transfer(sender, state=State.AVAILABLE)
    hashed = b"h" * 32
    record = factories.key_of(earlier).seal("email", hashed.hex(), b"reader@clinic.example")
    delivery = Delivery.objects.create(
        transfer=earlier, email_record=record, email_hash=hashed, access=Access.OPEN, created_at=Now()
    )
    Grant.objects.create(
        delivery=delivery,
        token_digest=credentials.keyed_digest("link", "x"),
        pin_digest=access.digest_of_pin(delivery, "12345678"),
        created_at=Now(),
        **fields,
    )
    return earlier


def test_a_reader_by_mail_opens_the_follow_up_with_the_same_pin(who: Principal, sender: Organization) -> None:
    follow_up = Transfer.objects.get(pk=attach(who, sent_by_mail(sender)).transfer_id)
    copied = follow_up.deliveries.get()
    grant = copied.grants.get()
    assert bytes(grant.pin_digest or b"") == access.digest_of_pin(copied, "12345678")
    opened = lookups.open_key(follow_up).open("email", (b"h" * 32).hex(), copied.email_record or b"")
    assert opened == b"reader@clinic.example"


def test_a_follow_up_gives_no_more_tries(who: Principal, sender: Organization) -> None:
    earlier = sent_by_mail(sender, attempts=5, locked_at=timezone.now())
    Transfer.objects.filter(pk=attach(who, earlier).transfer_id).update(state=State.AVAILABLE)
    grant = Grant.objects.latest("id")
    assert grant.delivery.transfer_id != earlier.pk
    assert access.verify_factor(grant, "12345678") == Verdict.LOCKED


def test_a_refused_document_leaves_no_follow_up(who: Principal, sender: Organization) -> None:
    earlier = factories.make_transfer(sender, to=[factories.make_organization()], state=State.AVAILABLE)
    with pytest.raises(errors.BadRequest):
        attach(who, earlier, b"not a PDF")
    assert list(Transfer.objects.all()) == [earlier]
    assert not Lease.objects.exists()


def test_a_follow_up_is_one_more_open_transfer(who: Principal, sender: Organization) -> None:
    transfer = factories.make_transfer(sender=sender, state=State.AVAILABLE)
    Organization.objects.filter(pk=sender.pk).update(max_open_transfers=1)
    with pytest.raises(errors.QuotaExceeded):
        attach(who, transfer)
    assert Transfer.objects.get() == transfer
    assert not Document.objects.exists() and not Lease.objects.exists()


def test_the_document_of_a_follow_up_is_sealed_for_it(who: Principal, sender: Organization) -> None:
    earlier = factories.make_transfer(sender, state=State.AVAILABLE)
    attached = attach(who, earlier)
    document = Document.objects.get(pk=attached.id)
    assert document.pack.transfer_id == attached.transfer_id != earlier.pk
    assert contents(document) == PDF
    assert receiving.finalise_quiet() == 1


def test_the_same_bytes_for_an_available_transfer_are_one_document(who: Principal, sender: Organization) -> None:
    earlier = factories.make_transfer(sender, to=[factories.make_organization()], state=State.AVAILABLE)
    first, second = attach(who, earlier), attach(who, earlier)
    assert (second.id, second.transfer_id, second.is_new) == (first.id, first.transfer_id, False)
    assert Transfer.objects.count() == 2


def test_what_the_available_transfer_holds_itself_makes_no_follow_up(who: Principal, sender: Organization) -> None:
    earlier = factories.make_transfer(sender, state=State.AVAILABLE)
    held = factories.store_document(earlier, PDF, media_type="application/pdf")
    attached = attach(who, earlier)
    assert (attached.id, attached.transfer_id, attached.is_new) == (held.pk, earlier.pk, False)


def test_a_follow_up_that_reaches_fewer_or_is_over_is_no_answer(who: Principal, sender: Organization) -> None:
    first, second = factories.make_organization(), factories.make_organization()
    earlier = factories.make_transfer(sender, to=[first, second], state=State.AVAILABLE)
    fewer = factories.make_transfer(sender, to=[first], state=State.AVAILABLE, follows=earlier)
    over = factories.make_transfer(sender, to=[first, second], state=State.CLOSED, follows=earlier)
    for other in (fewer, over):
        factories.store_document(other, PDF, media_type="application/pdf")
    attached = attach(who, earlier)
    assert attached.is_new and attached.transfer_id not in (fewer.pk, over.pk)


@pytest.mark.parametrize("state", [State.RECEIVING, State.AVAILABLE])
def test_a_document_that_arrives_after_the_end_is_refused(who: Principal, sender: Organization, state: State) -> None:
    transfer = factories.make_transfer(sender, state=state)
    with pytest.raises(errors.Gone):
        attach_while(who, transfer, lambda: end(transfer))
    assert not Document.objects.exists() and Transfer.objects.count() == 1


def test_a_transfer_withdrawn_meanwhile_takes_none(who: Principal, sender: Organization) -> None:
    transfer = factories.make_transfer(sender, state=State.AVAILABLE)
    with pytest.raises(errors.Gone):
        attach_while(who, transfer, lambda: expiring.withdraw(who, transfer.pk))
    assert not Document.objects.exists()


def test_one_that_becomes_available_meanwhile_is_told_to_try_again(who: Principal, sender: Organization) -> None:
    transfer = factories.make_transfer(sender, state=State.VALIDATING)
    with pytest.raises(errors.Conflict):
        attach_while(who, transfer, lambda: Transfer.objects.update(state=State.AVAILABLE))


def test_a_follow_up_ends_when_the_earlier_one_does_by_then(who: Principal, sender: Organization) -> None:
    earlier = factories.make_transfer(sender, state=State.AVAILABLE)
    until = timezone.now() + timedelta(days=60)
    attached = attach_while(who, earlier, lambda: expiring.extend(who, earlier.pk, until))
    follow_up = Transfer.objects.get(pk=attached.transfer_id)
    assert follow_up.available_until == until
    assert contents(Document.objects.get(pk=attached.id)) == PDF
    assert follow_up.day_key_id.startswith(follow_up.purge_at.date().isoformat())


@pytest.mark.parametrize("state", [State.RECEIVING, State.AVAILABLE])
def test_an_upload_that_was_given_up_is_told_so(who: Principal, sender: Organization, state: State) -> None:
    transfer = factories.make_transfer(sender, state=state)

    def fall_silent() -> None:
        long_ago = timezone.now() - timedelta(minutes=5)
        Lease.objects.update(heartbeat_at=long_ago)
        Pack.objects.update(created_at=long_ago)
        expiring.end_dead_pushes()

    with pytest.raises(errors.Unavailable, match="given up"):
        attach_while(who, transfer, fall_silent)
    assert not Document.objects.exists()


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"not a PDF", "application/pdf"),
        (b"", "text/plain"),
        (b"\xff\xfe", "text/plain"),
        (b"caf\xc3", "text/plain"),
        (b"a\0b", "text/plain"),
    ],
)
def test_a_document_must_be_what_it_says(who: Principal, sender: Organization, content: bytes, media_type: str) -> None:
    transfer = factories.make_transfer(sender, state=State.DRAFT)
    with pytest.raises(errors.BadRequest):
        attach(who, transfer, content, Description(media_type=media_type))
    assert not Document.objects.exists()
    assert not Lease.objects.exists()


def test_other_media_types_are_refused(who: Principal, sender: Organization) -> None:
    with pytest.raises(errors.UnsupportedMediaType):
        attach(who, factories.make_transfer(sender, state=State.DRAFT), PDF, Description(media_type="text/html"))


def test_a_foreign_transfer_is_not_there(who: Principal) -> None:
    foreign = factories.make_transfer(state=State.DRAFT)
    with pytest.raises(errors.NotFound):
        attach(who, foreign)


def test_a_closed_transfer_takes_none(who: Principal, sender: Organization) -> None:
    with pytest.raises(errors.Gone):
        attach(who, factories.make_transfer(sender, state=State.CLOSED))


def test_only_an_own_document_is_replaced(who: Principal, sender: Organization) -> None:
    foreign = factories.store_document(factories.make_transfer(state=State.DRAFT), b"theirs")
    with pytest.raises(errors.BadRequest):
        attach(
            who,
            factories.make_transfer(sender, state=State.DRAFT),
            PDF,
            Description(media_type="application/pdf", replaces=foreign.pk),
        )
