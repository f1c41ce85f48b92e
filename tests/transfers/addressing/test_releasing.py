"""What was held is released with a note, malware never."""

import pytest
from django.utils import timezone

from tests import factories
from tests.actors import Cast
from tests.transfers.addressing.making import state_of
from transfers import addressing, errors
from transfers.models import Finding, Job, Transfer
from transfers.rules.lifecycle import Reason, State


def make_held(cast: Cast, code: str) -> Transfer:
    transfer = factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=State.HELD)
    Transfer.objects.filter(pk=transfer.pk).update(reason=Reason.FINDINGS)
    Finding.objects.create(transfer=transfer, code=code, grade="stop", created_at=timezone.now())
    return transfer


def test_a_finding_is_released_with_a_note_that_is_sealed(cast: Cast) -> None:
    transfer = make_held(cast, "incomplete")
    addressing.release(cast.alice.who, transfer.pk, note="Mrs Doe agreed")
    finding = transfer.findings.get()
    assert state_of(transfer) == State.AVAILABLE
    assert b"Doe" not in bytes(finding.release_record or b"")
    (view,) = addressing.describe(cast.alice.who, transfer.pk).findings
    assert view.release_note == "Mrs Doe agreed"


def test_malware_is_never_released(cast: Cast) -> None:
    transfer = make_held(cast, "malware")
    with pytest.raises(errors.Conflict, match="never"):
        addressing.release(cast.alice.who, transfer.pk, note="I trust it")
    assert state_of(transfer) == State.HELD


def test_a_release_needs_its_note(cast: Cast) -> None:
    transfer = make_held(cast, "incomplete")
    with pytest.raises(errors.InvalidField):
        addressing.release(cast.alice.who, transfer.pk, note="  ")


def test_release_of_what_failed_validates_it_again(cast: Cast) -> None:
    transfer = factories.make_transfer(cast.st_elsewhere, state=State.HELD, reason=Reason.FAILED)
    addressing.release(cast.alice.who, transfer.pk, note="the storage is back")
    transfer.refresh_from_db()
    assert transfer.state == State.VALIDATING
    assert Job.objects.filter(event="transfer.retry", row=str(transfer.pk)).exists()
