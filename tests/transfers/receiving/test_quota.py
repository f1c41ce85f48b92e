"""Limits close before harm is done, and are told before they close."""

import pytest

from accounts.models import Organization
from tests.factories import make_ct, make_uid
from tests.transfers.receiving.conftest import Push
from transfers import errors
from transfers.models import Job, Transfer
from transfers.receiving import quota


@pytest.fixture(autouse=True)
def forget_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "_FRESH_SECONDS", -1.0)


def test_bytes_are_limited(push: Push, sender: Organization) -> None:
    push([make_ct()])
    Organization.objects.filter(pk=sender.pk).update(max_bytes=100)
    outcome = push([make_ct()])
    assert isinstance(outcome.failed[0].error, errors.QuotaExceeded)
    assert Transfer.objects.count() == 1  # what was made for the refused one went with it


def test_the_first_push_is_limited_too(push: Push, sender: Organization) -> None:
    Organization.objects.filter(pk=sender.pk).update(max_bytes=100)
    outcome = push([make_ct()])
    assert isinstance(outcome.failed[0].error, errors.QuotaExceeded)
    assert not Transfer.objects.exists()


def test_what_fits_of_a_push_is_kept(push: Push, sender: Organization) -> None:
    study, instance = make_uid(), make_ct()
    Organization.objects.filter(pk=sender.pk).update(max_bytes=len(instance) * 5 // 2)
    outcome = push([make_ct(StudyInstanceUID=study) for _ in range(4)])
    assert (len(outcome.stored), len(outcome.failed)) == (2, 2)
    assert Transfer.objects.get().stored_bytes <= len(instance) * 5 // 2


def test_several_studies_of_a_request_share_the_room(push: Push, sender: Organization) -> None:
    Organization.objects.filter(pk=sender.pk).update(max_bytes=len(make_ct()) * 5 // 2)
    outcome = push([make_ct() for _ in range(4)])
    assert (len(outcome.stored), len(outcome.failed)) == (2, 2)
    assert Transfer.objects.count() == 2


def test_instances_are_limited_within_one_push(push: Push, sender: Organization) -> None:
    Organization.objects.filter(pk=sender.pk).update(max_instances=2)
    study = make_uid()
    outcome = push([make_ct(StudyInstanceUID=study) for _ in range(4)])
    assert (len(outcome.stored), len(outcome.failed)) == (2, 2)


def test_open_transfers_are_limited(push: Push, sender: Organization) -> None:
    push([make_ct()])
    Organization.objects.filter(pk=sender.pk).update(max_open_transfers=1)
    outcome = push([make_ct()])
    assert isinstance(outcome.failed[0].error, errors.QuotaExceeded)
    assert Transfer.objects.count() == 1


def test_a_transfer_that_is_over_is_open_no_more(push: Push, sender: Organization) -> None:
    push([make_ct()])
    Organization.objects.filter(pk=sender.pk).update(max_open_transfers=1)
    Transfer.objects.update(state="closed", reason="lapsed")
    assert not push([make_ct()]).failed
    assert quota.usage(sender.pk).open_transfers == 1


def test_an_urgent_transfer_has_headroom(push: Push, sender: Organization) -> None:
    study = make_uid()
    push([make_ct(StudyInstanceUID=study)])
    both = 2 * Transfer.objects.get().stored_bytes
    Organization.objects.filter(pk=sender.pk).update(max_bytes=both * 100 // 105)
    assert push([make_ct(StudyInstanceUID=study)]).failed
    Transfer.objects.update(urgency="urgent")
    assert not push([make_ct(StudyInstanceUID=study)]).failed


def test_administrators_are_told_once_a_level(push: Push, sender: Organization) -> None:
    study = make_uid()
    push([make_ct(StudyInstanceUID=study)])
    Organization.objects.filter(pk=sender.pk).update(max_bytes=Transfer.objects.get().stored_bytes * 2.4)
    push([make_ct(StudyInstanceUID=study)])
    push([make_ct(StudyInstanceUID=study, SOPInstanceUID="1.2", pixels=b"")])
    assert Job.objects.filter(event="quota.80").count() == 1
