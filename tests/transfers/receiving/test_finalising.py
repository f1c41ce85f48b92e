"""When a push has ended, and what a later one becomes."""

import threading
import time
from datetime import timedelta
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from accounts.models import Organization
from accounts.principals import Principal, system
from tests.factories import make_ct, make_uid
from tests.transfers.receiving.conftest import Push, pieces
from transfers import access, addressing, receiving, transitions
from transfers.models import Instance, Intake, Lease, Transfer
from transfers.receiving import finalising, intake
from transfers.rules.lifecycle import Event, State, Step


def make_quiet(transfer: Transfer) -> None:
    Transfer.objects.filter(pk=transfer.pk).update(quiet_until=Now() - timedelta(seconds=1))


def make_available(transfer: Transfer) -> None:
    transitions.apply(transfer.pk, Event.FINALISE, who=system("test"))
    transitions.apply(transfer.pk, Event.PASS, who=system("test"))


def test_nothing_is_finalised_while_it_may_go_on(push: Push) -> None:
    push([make_ct()])
    assert receiving.finalise_quiet() == 0


def test_quiet_finalises(push: Push) -> None:
    push([make_ct()])
    make_quiet(Transfer.objects.get())
    assert receiving.finalise_quiet() == 1
    transfer = Transfer.objects.get()
    assert (transfer.state, transfer.finalised_by) == (State.VALIDATING, "quiet")


def test_a_running_push_blocks_finalising(push: Push, who: Principal) -> None:
    push([make_ct()])
    transfer = Transfer.objects.get()
    make_quiet(transfer)
    Lease.objects.create(transfer=transfer, kind="push", principal="key:x", started_at=Now(), heartbeat_at=Now())
    assert receiving.finalise_quiet() == 0


def test_a_push_that_died_blocks_nothing(push: Push) -> None:
    push([make_ct()])
    transfer = Transfer.objects.get()
    make_quiet(transfer)
    Lease.objects.create(
        transfer=transfer,
        kind="push",
        principal="key:x",
        started_at=Now(),
        heartbeat_at=Now() - timedelta(minutes=3),
    )
    assert receiving.finalise_quiet() == 1


def test_the_declared_count_finalises(who: Principal) -> None:
    study = make_uid()
    receiving.receive(who, access.draft_destination(who), [pieces(make_ct(StudyInstanceUID=study))])
    Transfer.objects.update(state=State.RECEIVING, declared_instances=2)
    receiving.receive(who, access.draft_destination(who), [pieces(make_ct(StudyInstanceUID=study))])
    transfer = Transfer.objects.get()
    assert (transfer.state, transfer.finalised_by) == (State.VALIDATING, "declared")


def test_a_new_digest_reopens_what_is_validated(push: Push) -> None:
    study = make_uid()
    push([make_ct(StudyInstanceUID=study)])
    transitions.apply(Transfer.objects.get().pk, Event.FINALISE, who=system("test"))
    push([make_ct(StudyInstanceUID=study)])
    assert Transfer.objects.get().state == State.RECEIVING


def test_late_instances_are_one_follow_up(push: Push) -> None:
    study = make_uid()
    push([make_ct(StudyInstanceUID=study)])
    first = Transfer.objects.get()
    make_available(first)
    for _ in range(2):
        push([make_ct(StudyInstanceUID=study)])
    follow_up = Transfer.objects.exclude(pk=first.pk).get()
    assert follow_up.follows_id == first.pk
    assert follow_up.instance_count == 2


def test_what_an_available_transfer_holds_is_not_sent_again(push: Push) -> None:
    study = make_uid()
    file = make_ct(StudyInstanceUID=study)
    push([file])
    first = Transfer.objects.get()
    make_available(first)
    outcome = push([file])
    assert [one.transfer_id for one in outcome.stored] == [first.pk]
    receiving.finalise_quiet()
    assert Transfer.objects.get() == first


def test_a_changed_version_of_what_is_available_is_a_follow_up(push: Push) -> None:
    study, uid = make_uid(), make_uid()
    push([make_ct(StudyInstanceUID=study, SOPInstanceUID=uid)])
    first = Transfer.objects.get()
    make_available(first)
    push([make_ct(StudyInstanceUID=study, SOPInstanceUID=uid, InstitutionName="B")])
    assert Transfer.objects.count() == 2
    assert Instance.objects.filter(sop_instance_uid=uid).count() == 2


def test_a_resend_after_the_end_is_a_transfer_of_its_own(push: Push) -> None:
    study = make_uid()
    file = make_ct(StudyInstanceUID=study)
    push([file])
    first = Transfer.objects.get()
    make_available(first)
    transitions.apply(first.pk, Event.LAPSE, who=system("test"))
    push([file])
    again = Transfer.objects.exclude(pk=first.pk).get()
    assert (again.follows_id, again.instance_count) == (None, 1)


def test_an_available_transfer_gathers_no_more(push: Push, recipient: Organization) -> None:
    push([make_ct()])
    make_available(Transfer.objects.get())
    assert not Intake.objects.exists()


def test_a_push_that_meets_a_lapse_is_told(push: Push, who: Principal, recipient: Organization) -> None:
    study = make_uid()
    push([make_ct(StudyInstanceUID=study)])
    destination = access.destination_of_address(who, recipient.address)
    with receiving.Reception(who, destination) as reception:
        reception.take(pieces(make_ct(StudyInstanceUID=study)))
        Transfer.objects.update(available_until=F("created_at"))
        outcome = reception.commit()
    assert outcome.stored == []
    assert len(outcome.failed) == 1


def test_what_a_person_sent_is_never_taken_back(who: Principal, sender: Organization) -> None:
    created = addressing.create(who, recipients=["someone@example.org"], declared_instances=1)
    addressing.send(who, created.transfer_id)
    make_quiet(Transfer.objects.get())
    assert receiving.finalise_quiet() == 1
    assert Transfer.objects.get().state == State.VALIDATING


def test_one_that_cannot_be_finalised_stops_no_other(push: Push) -> None:
    push([make_ct()])
    push([make_ct()])
    first, second = Transfer.objects.order_by("created_at")
    for number, transfer in enumerate((first, second)):
        Transfer.objects.filter(pk=transfer.pk).update(quiet_until=Now() - timedelta(minutes=2 - number))
    apply = transitions.apply

    def broken(transfer_id: UUID, event: Event, **how: Any) -> Step:  # Any: as transitions.apply
        if transfer_id == first.pk:
            raise IntegrityError
        return apply(transfer_id, event, **how)

    with mock.patch.object(transitions, "apply", broken):
        assert receiving.finalise_quiet() == 1
    states = dict(Transfer.objects.values_list("pk", "state"))
    assert (states[first.pk], states[second.pk]) == (State.RECEIVING, State.VALIDATING)


@pytest.mark.django_db(transaction=True)
def test_what_is_taken_back_waits_for_a_push_that_begins(
    who: Principal, recipient: Organization, transactional_db: None
) -> None:
    transfer_id = intake.create_transfer(
        who, access.destination_of_address(who, recipient.address), study_instance_uid=make_uid()
    )
    assert transfer_id is not None
    kept: list[bool] = []

    def take_back() -> None:
        try:
            kept.append(not finalising.take_back(transfer_id))
        finally:
            connection.close()

    thread = threading.Thread(target=take_back)
    with transaction.atomic():
        Lease.objects.create(
            transfer_id=transfer_id, kind="push", principal="key:x", started_at=Now(), heartbeat_at=Now()
        )
        connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")  # it holds its transfer from now on
        thread.start()
        wait_until_blocked()
    thread.join()
    assert kept == [True]
    assert Transfer.objects.filter(pk=transfer_id).exists() and Lease.objects.exists()


def wait_until_blocked() -> None:
    """Another connection waits for a lock that this one holds."""
    end = time.monotonic() + 30
    with connection.cursor() as cursor:
        while time.monotonic() < end:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")
            if cursor.fetchone()[0]:
                return
            time.sleep(0.01)
    raise AssertionError("nobody waits")
