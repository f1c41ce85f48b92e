"""Drafts, their recipients, sending, answering: the phases behind every door."""

import hashlib
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from accounts.models import AuditEvent, Partnership
from accounts.principals import Place, Principal, Scope
from tests import factories, sealing
from tests.actors import Cast, make_cast
from transfers import access, addressing, errors, expiring, lookups, tasks
from transfers.addressing.views import TransferView
from transfers.models import Delivery, Finding, Grant, Job, Lease, Transfer
from transfers.rules import reference
from transfers.rules.lifecycle import Access, Progress, Reason, State

pytestmark = pytest.mark.django_db

EMAIL = "jane.doe@example.org"


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def make_draft(cast: Cast, *recipients: str, **wishes: object) -> Transfer:
    created = addressing.create(cast.alice.who, recipients=recipients or ["general-hospital"], **wishes)  # type: ignore[arg-type]
    return Transfer.objects.get(pk=created.transfer_id)


def make_available(cast: Cast, **fields: Any) -> Transfer:
    return factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=State.AVAILABLE, **fields)


# Drafts


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


def test_a_foreign_transfer_cannot_be_followed(cast: Cast) -> None:
    foreign = factories.make_transfer()
    with pytest.raises(errors.NotFound):
        make_draft(cast, follows=foreign.pk)


# Links


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


# Lifetimes


def lives(transfer: Transfer) -> timedelta:
    return transfer.available_until - transfer.created_at


@pytest.mark.parametrize(
    ("recipients", "days"), [(["general-hospital"], 30), ([EMAIL], 90), (["general-hospital", EMAIL], 90)]
)
def test_how_long_it_lives_follows_from_its_recipients(cast: Cast, recipients: list[str], days: int) -> None:
    assert lives(make_draft(cast, *recipients)) == timedelta(days=days)


def test_a_partnership_may_agree_on_another_time(cast: Cast) -> None:
    Partnership.objects.update(retention_days=7)
    assert lives(make_draft(cast)) == timedelta(days=7)


def test_the_ceiling_holds_for_people_too(cast: Cast) -> None:
    cast.st_elsewhere.retention_ceiling_days = 40
    cast.st_elsewhere.save()
    assert lives(make_draft(cast, EMAIL)) == timedelta(days=40)


@pytest.mark.parametrize("wish", [timedelta(minutes=30), timedelta(days=181)])
def test_too_near_or_too_far_an_end_is_refused(cast: Cast, wish: timedelta) -> None:
    with pytest.raises(errors.InvalidField) as caught:
        make_draft(cast, until=timezone.now() + wish)
    assert caught.value.field == "until"


def test_grace_may_be_nothing(cast: Cast) -> None:
    transfer = make_draft(cast, grace=timedelta(0))
    assert transfer.purge_at == transfer.available_until


def test_an_old_draft_is_never_wrapped_for_a_day_that_is_over(cast: Cast) -> None:
    Partnership.objects.update(retention_days=1)
    transfer = addressing.create(cast.alice.who)
    moved = ("created_at", "available_until", "purge_at")
    Transfer.objects.update(**{name: F(name) - timedelta(days=25) for name in moved})
    addressing.add_recipients(cast.alice.who, transfer.transfer_id, ["general-hospital"])
    changed = Transfer.objects.get()
    assert changed.available_until < timezone.now() - timedelta(days=20)
    assert changed.day_key_id.startswith(changed.purge_at.date().isoformat())
    assert timezone.now() - timedelta(minutes=1) < changed.purge_at


def test_a_patient_added_to_a_draft_lets_it_live_longer(cast: Cast) -> None:
    transfer = make_draft(cast)
    addressing.add_recipients(cast.alice.who, transfer.pk, [EMAIL])
    transfer.refresh_from_db()
    assert lives(transfer) == timedelta(days=90)
    assert transfer.day_key_id.startswith(transfer.purge_at.date().isoformat())


# What a key of the sender sees of it


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


# Sending


def filled_draft(cast: Cast, *, days_old: int = 0, **wishes: object) -> Transfer:
    transfer = make_draft(cast, **wishes)
    factories.store_instance(transfer, factories.make_ct())
    age = timedelta(days=days_old)
    Transfer.objects.filter(pk=transfer.pk).update(
        created_at=F("created_at") - age, available_until=F("available_until") - age, purge_at=F("purge_at") - age
    )
    transfer.refresh_from_db()
    return transfer


def state_of(transfer: Transfer) -> State:
    transfer.refresh_from_db()
    return State(transfer.state)


def test_a_whole_draft_goes_to_validation(cast: Cast) -> None:
    transfer = filled_draft(cast)
    addressing.send(cast.alice.who, transfer.pk)
    assert state_of(transfer) == State.VALIDATING
    assert Job.objects.filter(event="transfer.send-complete", row=str(transfer.pk)).exists()


def test_its_time_counts_from_sending(cast: Cast) -> None:
    transfer = filled_draft(cast, days_old=5)
    addressing.send(cast.alice.who, transfer.pk)
    transfer.refresh_from_db()
    assert lives(transfer) == timedelta(days=35)
    assert lookups.open_key(transfer).transfer == str(transfer.pk)


def test_an_end_that_was_named_stays(cast: Cast) -> None:
    until = timezone.now() + timedelta(days=3)
    transfer = filled_draft(cast, until=until)
    addressing.send(cast.alice.who, transfer.pk)
    transfer.refresh_from_db()
    assert transfer.available_until == until


def test_a_push_in_flight_keeps_it_receiving(cast: Cast) -> None:
    transfer = filled_draft(cast)
    add_push(transfer)
    addressing.send(cast.alice.who, transfer.pk)
    assert state_of(transfer) == State.RECEIVING


def test_a_declared_count_that_is_not_reached_keeps_it_receiving(cast: Cast) -> None:
    transfer = filled_draft(cast, declared_instances=2)
    addressing.send(cast.alice.who, transfer.pk)
    assert state_of(transfer) == State.RECEIVING
    assert transfer.quiet_until is not None


@pytest.mark.parametrize("recipients", [[], ["general-hospital"]])
def test_a_draft_without_recipient_or_content_is_not_sent(cast: Cast, recipients: list[str]) -> None:
    created = addressing.create(cast.alice.who, recipients=recipients)
    with pytest.raises(errors.Conflict):
        addressing.send(cast.alice.who, created.transfer_id)


def test_recipients_named_at_sending_are_added(cast: Cast) -> None:
    created = addressing.create(cast.alice.who, declared_instances=3)
    (issued,) = addressing.send(cast.alice.who, created.transfer_id, recipients=["general-hospital", EMAIL])
    assert issued.email == EMAIL
    assert Delivery.objects.filter(transfer=created.transfer_id).count() == 2


def test_what_was_sent_is_not_sent_again(cast: Cast) -> None:
    transfer = filled_draft(cast)
    addressing.send(cast.alice.who, transfer.pk)
    with pytest.raises(errors.Conflict):
        addressing.send(cast.alice.who, transfer.pk)


def test_an_older_revision_changes_nothing(cast: Cast) -> None:
    transfer = filled_draft(cast)
    with pytest.raises(errors.PreconditionFailed):
        addressing.send(cast.alice.who, transfer.pk, revision=transfer.revision - 1)
    assert state_of(transfer) == State.DRAFT


def add_push(transfer: Transfer, *, age: timedelta = timedelta(0)) -> None:
    beat = timezone.now() - age
    Lease.objects.create(transfer=transfer, kind="push", principal="key:x", started_at=beat, heartbeat_at=beat)


def make_receiving(cast: Cast) -> Transfer:
    transfer = factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=State.RECEIVING)
    factories.store_instance(transfer, factories.make_ct())
    return transfer


def test_finalise_ends_the_pushing(cast: Cast) -> None:
    transfer = make_receiving(cast)
    assert addressing.finalise(cast.sender_store.who, transfer.pk)
    assert state_of(transfer) == State.VALIDATING
    assert transfer.finalised_by == "explicit"


def test_finalise_waits_for_a_push_in_flight(cast: Cast) -> None:
    transfer = make_receiving(cast)
    add_push(transfer)
    assert not addressing.finalise(cast.sender_store.who, transfer.pk)
    assert state_of(transfer) == State.RECEIVING
    assert transfer.finalise_requested


def test_finalise_does_not_wait_for_a_dead_push(cast: Cast) -> None:
    transfer = make_receiving(cast)
    add_push(transfer, age=timedelta(minutes=5))
    assert addressing.finalise(cast.sender_store.who, transfer.pk)


# Releasing


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


# Answering


def make_offer(cast: Cast) -> Transfer:
    transfer = factories.make_transfer(cast.st_elsewhere, state=State.AVAILABLE)
    factories.make_delivery(transfer, organization=cast.county_clinic, access=Access.WAITING)
    return transfer


def test_an_offer_is_accepted(cast: Cast) -> None:
    transfer = make_offer(cast)
    addressing.accept(cast.clinic_read.who, transfer.pk)
    delivery = transfer.deliveries.get()
    assert (delivery.access, delivery.was_open) == (Access.OPEN, True)
    assert Job.objects.filter(event="delivery.accept", row=str(delivery.pk)).exists()


def test_an_offer_is_declined_with_a_reason_for_the_sender_alone(cast: Cast) -> None:
    transfer = make_offer(cast)
    addressing.decline(cast.clinic_read.who, transfer.pk, reason="not our patient")
    (view,) = addressing.describe(cast.alice.who, transfer.pk).deliveries
    assert (view.access, view.decline_reason) == (Access.DECLINED, "not our patient")
    assert b"patient" not in bytes(transfer.deliveries.get().decline_record or b"")


def test_what_was_declined_is_not_accepted_afterwards(cast: Cast) -> None:
    transfer = make_offer(cast)
    addressing.decline(cast.clinic_read.who, transfer.pk, reason="no")
    with pytest.raises(errors.Conflict):
        addressing.accept(cast.clinic_read.who, transfer.pk)


def test_acknowledging_proves_receipt(cast: Cast) -> None:
    transfer = make_available(cast)
    addressing.acknowledge(cast.bob.who, transfer.pk)
    delivery = transfer.deliveries.get()
    assert (delivery.progress, delivery.proven_by) == (Progress.PROVEN, cast.bob.who.ident)


def test_what_is_not_accepted_is_not_acknowledged(cast: Cast) -> None:
    transfer = make_offer(cast)
    with pytest.raises(errors.Conflict):
        addressing.acknowledge(cast.clinic_read.who, transfer.pk)


def test_a_sender_does_not_acknowledge_for_its_recipient(cast: Cast) -> None:
    transfer = make_available(cast)
    with pytest.raises(errors.Forbidden):
        addressing.acknowledge(cast.alice.who, transfer.pk)


def test_a_policy_has_the_last_answer_looked_at(cast: Cast) -> None:
    transfer = make_available(cast, close_when_fulfilled=True)
    addressing.acknowledge(cast.bob.who, transfer.pk)
    assert Job.objects.filter(event="transfer.settle", row=str(transfer.pk)).exists()


def test_revoking_ends_access_and_links_at_once(cast: Cast) -> None:
    created = addressing.create(cast.alice.who, recipients=[EMAIL])
    delivery = Delivery.objects.get(transfer=created.transfer_id)
    addressing.revoke(cast.alice.who, delivery.pk)
    delivery.refresh_from_db()
    assert delivery.access == Access.REVOKED
    assert not Grant.objects.filter(delivery=delivery, revoked_at=None).exists()


def test_a_delivery_of_another_transfer_is_not_revoked_here(cast: Cast) -> None:
    here, there = make_available(cast), make_available(cast)
    with pytest.raises(errors.InvalidField):
        addressing.revoke(cast.alice.who, there.deliveries.get().pk, transfer_id=here.pk)


def test_a_stranger_cannot_tell_a_delivery_from_none(cast: Cast) -> None:
    delivery = make_available(cast).deliveries.get()
    with pytest.raises(errors.NotFound):
        addressing.revoke(cast.mallory.who, delivery.pk)
    with pytest.raises(errors.NotFound):
        addressing.revoke(cast.mallory.who, 999_999)


def lapse(transfer: Transfer) -> None:
    hour = timedelta(hours=1)
    Transfer.objects.filter(pk=transfer.pk).update(available_until=timezone.now() - hour)


@pytest.mark.parametrize("act", ["accept", "acknowledge"])
def test_the_clock_alone_ends_a_recipients_acts(cast: Cast, act: str) -> None:
    transfer = make_available(cast)
    lapse(transfer)
    with pytest.raises(errors.Gone):
        getattr(addressing, act)(cast.bob.who, transfer.pk)


# Describing


def test_a_recipient_sees_no_other_recipient(cast: Cast) -> None:
    transfer = make_available(cast)
    factories.make_delivery(transfer, organization=cast.county_clinic)
    view = addressing.describe(cast.bob.who, transfer.pk)
    assert [one.recipient.address for one in view.deliveries] == ["general-hospital"]
    assert "county" not in repr(view.timeline)


def test_who_has_not_accepted_sees_who_sent_it_and_no_more(cast: Cast) -> None:
    transfer = make_offer(cast)
    factories.store_instance(transfer, factories.make_ct())
    view = addressing.describe(cast.clinic_read.who, transfer.pk)
    assert view.sender.address == "st-elsewhere"
    assert (view.studies, view.instance_count, view.message, view.findings) == ((), 0, "", ())


def test_a_recipient_sees_nothing_before_it_is_available(cast: Cast) -> None:
    transfer = make_receiving(cast)
    with pytest.raises(errors.NotFound):
        addressing.describe(cast.bob.who, transfer.pk)


def test_what_has_lapsed_is_closed_before_any_sweep(cast: Cast) -> None:
    transfer = make_available(cast)
    lapse(transfer)
    view = addressing.describe(cast.bob.who, transfer.pk)
    assert (view.state, view.reason, view.studies) == (State.CLOSED, Reason.LAPSED, ())


def test_what_was_destroyed_still_says_why(cast: Cast) -> None:
    transfer = make_available(cast)
    expiring.withdraw(cast.alice.who, transfer.pk)
    (listed,) = addressing.list_transfers(cast.bob.who).transfers
    view = addressing.describe(cast.bob.who, transfer.pk)
    assert (view.state, view.reason, listed.reason) == (State.PURGED, Reason.WITHDRAWN, Reason.WITHDRAWN)


def test_the_timeline_is_the_trail(cast: Cast) -> None:
    transfer = filled_draft(cast)
    addressing.send(cast.alice.who, transfer.pk)
    told = [entry.action for entry in addressing.describe(cast.alice.who, transfer.pk).timeline]
    assert told == ["transfer.create", "transfer.send-complete"]
    assert AuditEvent.objects.filter(subject=f"transfer:{transfer.pk}").count() == 2


# Listing


def ids(page: addressing.Page) -> list[object]:
    return [one.id for one in page.transfers]


def test_each_side_lists_its_own(cast: Cast) -> None:
    transfer = make_available(cast)
    assert ids(addressing.list_transfers(cast.alice.who, direction="sent")) == [transfer.pk]
    assert ids(addressing.list_transfers(cast.alice.who, direction="received")) == []
    assert ids(addressing.list_transfers(cast.bob.who, direction="received")) == [transfer.pk]
    assert ids(addressing.list_transfers(cast.mallory.who)) == []


def test_pages_hold_each_transfer_once(cast: Cast) -> None:
    made = [make_available(cast).pk for _ in range(5)]
    seen: list[object] = []
    cursor = ""
    for _ in range(3):
        page = addressing.list_transfers(cast.alice.who, cursor=cursor, limit=2)
        seen, cursor = seen + ids(page), page.cursor
    assert seen == made[::-1]
    assert cursor == ""


def test_state_is_by_the_clock_in_lists_too(cast: Cast) -> None:
    transfer = make_available(cast)
    lapse(transfer)
    assert ids(addressing.list_transfers(cast.alice.who, state=State.AVAILABLE)) == []
    assert ids(addressing.list_transfers(cast.alice.who, state=State.CLOSED)) == [transfer.pk]


def test_a_made_up_cursor_is_refused(cast: Cast) -> None:
    with pytest.raises(errors.InvalidField):
        addressing.list_transfers(cast.alice.who, cursor="bm90IG9uZQ==")


# Jobs


@pytest.mark.parametrize("event", ["delivery.waiting", "delivery.accept", "delivery.decline", "transfer.settle"])
def test_somebody_does_what_is_written_down(event: str) -> None:
    assert event in tasks.EVENTS


def test_release_of_what_failed_validates_it_again(cast: Cast) -> None:
    transfer = factories.make_transfer(cast.st_elsewhere, state=State.HELD, reason=Reason.FAILED)
    addressing.release(cast.alice.who, transfer.pk, note="the storage is back")
    transfer.refresh_from_db()
    assert transfer.state == State.VALIDATING
    assert Job.objects.filter(event="transfer.retry", row=str(transfer.pk)).exists()
