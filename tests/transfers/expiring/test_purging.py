"""Destruction: what goes, what stays, and that it resumes after a crash."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone

from accounts.models import Organization
from accounts.principals import Principal
from tests import factories
from tests.transfers.expiring.conftest import Make
from tests.transfers.expiring.moments import DAY, age
from transfers import addressing, errors, expiring, keys, lookups, vault
from transfers.expiring import destroying, journaling
from transfers.models import (
    Destruction,
    Finding,
    Instance,
    Job,
    Lease,
    Notification,
    Pack,
    PullRecord,
    Study,
    Tombstone,
    Transfer,
)
from transfers.rules.lifecycle import State

pytestmark = pytest.mark.django_db

Commit = Callable[..., object]
Touch = Callable[[Principal, Transfer], object]


def close(transfer: Transfer, *, days: int = 45) -> Transfer:
    age(transfer, days * DAY)
    expiring.lapse_due()
    return transfer


def sealed_tables() -> list[str]:
    """Every column of the database that holds bytes, with the bytes as text."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT table_name, column_name FROM information_schema.columns
             WHERE table_name LIKE 'transfers_%%' AND column_name LIKE '%%\\_record'
            """
        )
        columns = cursor.fetchall()
        left = []
        for table, column in columns:
            cursor.execute(f'SELECT count(*) FROM "{table}" WHERE "{column}" IS NOT NULL')
            left += [f"{table}.{column}"] * cursor.fetchone()[0]
    return left


def test_key_and_records_go_in_one_transaction(sent: Make) -> None:
    transfer = close(sent())
    delivery = transfer.deliveries.get()
    key, instance = factories.key_of(transfer), transfer.instances.get()
    delivery.email_record = key.seal("email", "", b"carla@example.org")
    delivery.save()
    PullRecord.objects.create(
        delivery=delivery,
        instance=instance,
        kind="pulled",
        road="zip",
        principal="x",
        first_at=transfer.created_at,
        last_at=transfer.created_at,
    )
    Finding.objects.create(
        transfer=transfer, instance=instance, code="x", grade="note", record=b"x", created_at=transfer.created_at
    )
    Notification.objects.create(
        transfer=transfer,
        event="sent",
        audience="desk",
        message_id="m",
        secret_record=b"x",
        created_at=transfer.created_at,
    )
    assert expiring.purge_due() == 1
    transfer.refresh_from_db()
    assert (transfer.state, transfer.wrapped_key, transfer.patient_hash) == ("purged", None, None)
    assert sealed_tables() == []
    assert not Instance.objects.exists() and not Study.objects.exists()
    assert transfer.deliveries.count() == 1


def test_what_stays_tells_that_it_was_and_when_it_went(sent: Make) -> None:
    transfer = close(sent())
    expiring.purge_due()
    stone, record = Tombstone.objects.get(), Destruction.objects.get()
    assert (stone.transfer_id, stone.reason, stone.instance_count) == (transfer.pk, "lapsed", 1)
    assert record.closed_at is not None and record.closed_at <= record.wrap_removed_at
    assert (record.objects_total, record.outcome, record.day_key_destroyed_at) == (1, "scheduled", None)
    assert Job.objects.filter(event="transfer.purge", row=str(transfer.pk)).exists()


def test_objects_follow_and_their_rows_stay_until_they_are_gone(sent: Make) -> None:
    transfer = close(sent())
    name = transfer.packs.get().name
    expiring.purge_due()
    assert vault.exists(name) and Pack.objects.filter(name=name).exists()
    expiring.delete_objects(transfer.pk)
    assert not vault.exists(name) and not Pack.objects.exists()
    assert Destruction.objects.get().objects_deleted_at is not None


def test_deleting_again_changes_nothing(sent: Make) -> None:
    transfer = close(sent())
    expiring.purge_due()
    expiring.delete_objects(transfer.pk)
    first = Destruction.objects.get().objects_deleted_at
    expiring.delete_objects(transfer.pk)
    assert Destruction.objects.get().objects_deleted_at == first


def test_objects_of_a_living_transfer_are_never_deleted(sent: Make) -> None:
    transfer = sent()
    expiring.delete_objects(transfer.pk)
    assert vault.exists(transfer.packs.get().name)


def test_storage_that_fails_is_tried_again(sent: Make) -> None:
    transfer = close(sent())
    expiring.purge_due()
    with mock.patch("transfers.vault.delete", side_effect=errors.StorageUnavailable), pytest.raises(errors.Unavailable):
        expiring.delete_objects(transfer.pk)
    expiring.delete_objects(transfer.pk)
    assert not Pack.objects.exists()


def test_an_open_pack_waits_for_the_push_that_still_writes_it(sent: Make) -> None:
    transfer = close(sent())
    Pack.objects.update(is_open=True)
    expiring.purge_due()
    lease = Lease.objects.create(
        transfer=transfer,
        kind="push",
        principal="x",
        started_at=transfer.created_at,
        heartbeat_at=timezone.now(),
    )
    Job.objects.all().delete()
    expiring.delete_objects(transfer.pk)
    assert Pack.objects.exists() and Job.objects.filter(event="transfer.purge").exists()
    lease.delete()
    expiring.delete_objects(transfer.pk)
    assert not Pack.objects.exists()


@pytest.mark.parametrize(
    ("state", "days", "expected"),
    [
        (State.AVAILABLE, 45, 0),
        (State.DRAFT, 29, 0),
        (State.DRAFT, 31, 1),
        (State.REJECTED, 45, 1),
        (State.REJECTED, 40, 0),
    ],
)
def test_only_what_is_due_goes(sent: Make, state: State, days: int, expected: int) -> None:
    age(sent(state=state), days * DAY)
    assert expiring.purge_due() == expected


def test_a_draft_that_was_touched_stays(sent: Make) -> None:
    transfer = sent(state=State.DRAFT)
    age(transfer, 40 * DAY)
    Transfer.objects.update(last_byte_at=transfer.created_at + 20 * DAY)
    assert expiring.purge_due() == 0


@pytest.mark.parametrize(
    "touch",
    [
        lambda who, draft: addressing.change_draft(who, draft.pk, message="Still at it."),
        lambda who, draft: addressing.add_recipients(who, draft.pk, ["reader@clinic.example"]),
        lambda who, draft: addressing.declare(who, draft.pk, ["1.2.3"]),
        lambda who, draft: expiring.extend(who, draft.pk, timezone.now() + 40 * DAY),
    ],
    ids=["changed", "addressed", "declared", "extended"],
)
def test_a_draft_that_somebody_works_on_is_not_idle(sent: Make, sender: Principal, touch: Touch) -> None:
    draft = sent(state=State.DRAFT, lifetime=60 * DAY)
    age(draft, 31 * DAY)
    touch(sender, draft)
    assert expiring.purge_due() == 0
    age(draft, 31 * DAY)
    assert expiring.purge_due() == 1


def test_an_idle_draft_tells_why_it_went(sent: Make) -> None:
    age(sent(state=State.DRAFT), 31 * DAY)
    expiring.purge_due()
    assert Tombstone.objects.get().reason == "idle"


def test_withdrawing_destroys_at_once(sent: Make, sender: Principal) -> None:
    transfer = sent()
    gone = expiring.withdraw(sender, transfer.pk, revision=transfer.revision)
    assert (gone.state, gone.wrapped_key, gone.closed_at is not None) == ("purged", None, True)
    assert Tombstone.objects.get().reason == "withdrawn"
    events = set(Job.objects.filter(row=str(transfer.pk)).values_list("event", flat=True))
    assert events == {"transfer.withdraw", "transfer.purge"}


def test_withdrawing_needs_the_revision_that_was_read(sent: Make, sender: Principal) -> None:
    transfer = sent()
    with pytest.raises(errors.PreconditionFailed):
        expiring.withdraw(sender, transfer.pk, revision=transfer.revision + 1)
    assert factories.key_of(Transfer.objects.get())


def test_the_journal_is_begun_before_the_commit_and_done_after(
    sent: Make, sender: Principal, django_capture_on_commit_callbacks: Commit
) -> None:
    transfer = sent()
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]  # a context manager
        expiring.withdraw(sender, transfer.pk)
        assert [line["step"] for line in keys.read_destructions()] == ["begun"]
    assert [line["step"] for line in keys.read_destructions()] == ["begun", "done"]
    assert [gone.transfer_id for gone in journaling.destroyed()] == [transfer.pk]


def test_a_line_whose_purge_rolled_back_is_taken_back(sent: Make) -> None:
    transfer = sent()
    journaling.begin(transfer.pk, reason="withdrawn", at=transfer.created_at)
    assert journaling.destroyed() != []
    assert journaling.settle() == 1
    assert journaling.destroyed() == [] and journaling.settle() == 0


def test_a_line_whose_end_a_crash_cut_off_is_ended(sent: Make, sender: Principal) -> None:
    transfer = sent()
    expiring.withdraw(sender, transfer.pk)
    assert journaling.settle() == 1
    assert [gone.transfer_id for gone in journaling.destroyed()] == [transfer.pk]


def test_a_day_key_goes_when_its_day_has_passed(sent: Make) -> None:
    close(sent(), days=47)
    assert expiring.destroy_day_keys() == 0  # a live wrap names it
    expiring.purge_due()
    assert expiring.destroy_day_keys() == 1
    record = Destruction.objects.get()
    assert record.outcome == "best effort" and record.day_key_destroyed_at is not None
    with pytest.raises(errors.Gone):
        keys.day_key_by_id(record.day_key_id)


def test_a_key_of_today_or_later_stays(sent: Make, sender: Principal) -> None:
    expiring.withdraw(sender, sent().pk)
    expiring.withdraw(sender, sent(lifetime=timedelta(0), grace=timedelta(0)).pk)
    assert expiring.destroy_day_keys() == 0
    assert len(keys.list_day_keys()) == 2


def test_a_day_key_that_went_before_a_crash_is_written_down(sent: Make) -> None:
    close(sent(), days=47)
    expiring.purge_due()
    keys.destroy_day_key(Destruction.objects.get().day_key_id)
    expiring.destroy_day_keys()
    assert Destruction.objects.get().outcome == "best effort"


@pytest.mark.django_db(transaction=True)
def test_a_key_that_is_being_wrapped_under_is_not_destroyed(sent: Make) -> None:
    transfer, day = sent(state=State.DRAFT), (timezone.now() - 3 * DAY).date()

    def destroy() -> None:
        with closing(connection), connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '200ms'")
            expiring.destroy_day_keys()

    with transaction.atomic(), ThreadPoolExecutor() as pool:
        lookups.rewrap(transfer, purge_day=day)
        with pytest.raises(OperationalError, match="lock timeout"):
            pool.submit(destroy).result()
    assert expiring.destroy_day_keys() == 0
    assert factories.key_of(Transfer.objects.get())


def test_a_wrong_key_folder_destroys_nothing(sent: Make, settings: object, tmp_path: object) -> None:
    close(sent())
    settings.EXCHANGE_KEYS = f"file://{tmp_path}/other"  # type: ignore[attr-defined]  # pytest-django's wrapper
    with pytest.raises(errors.KeyUnavailable):
        expiring.purge_due()
    assert Transfer.objects.get().wrapped_key is not None


def test_purging_a_damaged_transfer_is_not_stopped_by_the_damage(sent: Make, general: Organization) -> None:
    transfer = close(sent())
    Study.objects.update(record=b"\x01 not what was sealed, by far too short")
    assert expiring.purge_due() == 1
    assert isinstance(transfer.pk, UUID) and Tombstone.objects.exists()


def test_a_document_that_was_replaced_in_a_follow_up_goes(sent: Make) -> None:
    earlier, later = sent(), sent()
    replaced = factories.store_document(earlier, b"Preliminary.")
    factories.store_document(later, b"Amended.", status="amended", replaces=replaced)
    close(earlier)
    assert expiring.purge_due() == 1
    assert later.documents.get().replaces_id is None


def test_one_that_cannot_be_destroyed_stops_no_other(sent: Make) -> None:
    first, second = close(sent()), close(sent())
    destroy = destroying.destroy

    def broken(transfer_id: UUID, **how: Any) -> None:  # Any: as destroying.destroy
        if transfer_id == first.pk:
            raise IntegrityError
        destroy(transfer_id, **how)

    with mock.patch.object(destroying, "destroy", broken):
        assert expiring.purge_due() == 1
    second.refresh_from_db()
    assert second.state == State.PURGED
