"""A draft: its reference, its message, its recipients, and who may make one."""

import re

import pytest

from accounts.models import Organization, Partnership
from tests import factories
from tests.actors import Cast
from tests.transfers.addressing.making import make_draft
from transfers import addressing, errors
from transfers.rules import reference
from transfers.rules.lifecycle import Access


def test_a_draft_has_a_reference_that_can_be_said(cast: Cast) -> None:
    created = addressing.create(cast.sender_store.who)
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", created.reference)


@pytest.mark.parametrize("heard", ["7k3m-92qd", "7K3M92QD", " 7K3M 92QD", "7K3M-92QD"])
def test_a_reference_is_understood_however_it_is_written(heard: str) -> None:
    assert reference.normalise(heard) == "7K3M-92QD"


def test_letters_that_sound_like_digits_are_digits() -> None:
    assert reference.normalise("OIL0-0000") == "0110-0000"


@pytest.mark.parametrize("text", ["", "7K3M", "7K3M-92QU", "7K3M-92QDX"])
def test_other_text_is_no_reference(text: str) -> None:
    assert reference.normalise(text) is None


def test_a_taken_reference_is_made_anew(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = make_draft(cast).reference
    offers = iter([taken, "7K3M-92QD"])
    monkeypatch.setattr(reference, "new", lambda: next(offers))
    assert make_draft(cast).reference == "7K3M-92QD"


def test_a_message_is_kept_sealed(cast: Cast) -> None:
    transfer = make_draft(cast, message="Mrs Doe's old CT")
    assert b"Doe" not in bytes(transfer.message_record or b"")
    assert addressing.describe(cast.alice.who, transfer.pk).message == "Mrs Doe's old CT"


def test_its_key_is_wrapped_for_the_day_it_is_purged(cast: Cast) -> None:
    transfer = make_draft(cast)
    assert transfer.day_key_id.startswith(transfer.purge_at.date().isoformat())


def test_a_partner_has_access_at_once_and_others_wait(cast: Cast) -> None:
    transfer = make_draft(cast, "general-hospital", "county-clinic")
    assert list(transfer.deliveries.order_by("id").values_list("access", flat=True)) == [Access.OPEN, Access.WAITING]


def test_a_suspended_partner_waits(cast: Cast) -> None:
    Partnership.objects.update(state=Partnership.State.SUSPENDED)
    assert make_draft(cast).deliveries.get().access == Access.WAITING


def test_a_recipient_named_twice_is_one(cast: Cast) -> None:
    transfer = make_draft(cast, "general-hospital", " General-Hospital")
    assert transfer.deliveries.count() == 1


def test_an_unknown_address_names_its_field(cast: Cast) -> None:
    with pytest.raises(errors.InvalidField, match="no such address") as caught:
        make_draft(cast, "nowhere")
    assert caught.value.field == "recipients"


def test_a_reader_without_the_right_to_send_makes_none(cast: Cast) -> None:
    with pytest.raises(errors.Forbidden):
        addressing.create(cast.recipient_read.who, recipients=["st-elsewhere"])


def test_the_limit_of_open_transfers_is_kept(cast: Cast) -> None:
    cast.st_elsewhere.max_open_transfers = 1
    cast.st_elsewhere.save()
    make_draft(cast)
    with pytest.raises(errors.QuotaExceeded):
        make_draft(cast)


def test_an_urgent_draft_has_headroom(cast: Cast) -> None:
    Organization.objects.filter(pk=cast.st_elsewhere.pk).update(max_open_transfers=10)
    for _ in range(10):
        make_draft(cast)
    make_draft(cast, urgency="urgent")
    with pytest.raises(errors.QuotaExceeded):
        make_draft(cast, urgency="urgent")


def test_a_foreign_transfer_cannot_be_followed(cast: Cast) -> None:
    foreign = factories.make_transfer()
    with pytest.raises(errors.NotFound):
        make_draft(cast, follows=foreign.pk)
