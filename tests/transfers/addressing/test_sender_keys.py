"""What a key of the sender sees of a transfer, by its scopes, and what the recipient sees of the sender."""

import hashlib

import pytest
from django.utils import timezone

from accounts.principals import Place, Principal, Scope
from tests import factories, sealing
from tests.actors import Cast
from tests.transfers.addressing.making import EMAIL, make_available, make_draft
from transfers import access, addressing, errors
from transfers.addressing.views import TransferView
from transfers.models import Finding


def described(cast: Cast, *scopes: Scope) -> TransferView:
    transfer = make_draft(cast, EMAIL, message="Mrs Doe's old CT")
    factories.store_document(
        transfer,
        b"report",
        record=factories.key_of(transfer).seal(
            "document", hashlib.sha256(b"report").hexdigest(), b'{"title": "CT of Jane Doe"}'
        ),
    )
    finding = Finding(transfer=transfer, code="patient-conflict", grade="stop", created_at=timezone.now())
    finding.record = factories.key_of(transfer).seal("finding", finding.sealed_row, b"Jane Doe or Joan Doe?")
    finding.save()
    who, _ = sealing.caller(cast.st_elsewhere, *scopes)
    return addressing.describe(who, transfer.pk)


@pytest.mark.parametrize("scope", ["store", "manage"])
def test_a_key_without_the_right_to_read_sees_how_it_fares_and_no_content(cast: Cast, scope: Scope) -> None:
    view = described(cast, scope)
    assert (view.message, view.documents[0].title, view.findings[0].text) == ("", "", "")
    assert (view.findings[0].code, view.deliveries[0].recipient.address) == ("patient-conflict", EMAIL)


def test_a_key_with_the_right_to_read_sees_all_of_it(cast: Cast) -> None:
    view = described(cast, "store", "read")
    assert "Doe" in view.message and "Doe" in view.documents[0].title and "Doe" in view.findings[0].text


@pytest.mark.parametrize("scope", ["store", "manage"])
def test_what_was_pushed_is_not_given_back_to_a_key_that_may_not_read(cast: Cast, scope: Scope) -> None:
    who, _ = sealing.caller(cast.st_elsewhere, scope)
    with pytest.raises(errors.Forbidden, match="no right to read"):
        access.sight(who, make_available(cast).pk)


def test_a_key_for_one_transfer_learns_nothing_of_others(cast: Cast) -> None:
    one, over = make_available(cast), make_available(cast)
    sealing.lapse(over)
    place = Place(cast.general_hospital.pk, None, frozenset({"read"}))
    bound = Principal(kind="key", ident="key:b", places=(place,), bound_to=f"transfer:{one.pk}")
    with pytest.raises(errors.NotFound):
        access.sight(bound, over.pk)
    sealing.lapse(one)
    with pytest.raises(errors.Gone):
        access.sight(bound, one.pk)


def test_who_released_a_finding_is_no_matter_of_the_recipient(cast: Cast) -> None:
    transfer = make_available(cast)
    finding = Finding(
        transfer=transfer, code="identity-conflict", grade="stop", released_by="user:7", created_at=timezone.now()
    )
    finding.release_record = factories.key_of(transfer).seal("release", finding.sealed_row, b"Dr Roe agreed.")
    finding.released_at = timezone.now()
    finding.save()
    told = addressing.describe(cast.bob.who, transfer.pk).findings[0]
    assert (told.released_by, told.release_note, told.released_at) == ("", "", finding.released_at)
    known = addressing.describe(cast.alice.who, transfer.pk).findings[0]
    assert (known.released_by, known.release_note) == ("user:7", "Dr Roe agreed.")
