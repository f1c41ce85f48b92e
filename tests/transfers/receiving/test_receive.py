"""A push ends in rows that say where each instance lies, or in nothing."""

import hashlib
import threading
import zlib
from collections.abc import Iterator

import pytest
from django.db import connection

from accounts.models import AuditEvent, Organization
from accounts.principals import Principal
from tests.factories import key_of, make_ct, make_organization, make_uid
from tests.transfers.receiving.conftest import Push, pieces, store_key
from transfers import access, errors, receiving, vault
from transfers.models import Delivery, Instance, Intake, Job, Lease, Pack, Study, Transfer
from transfers.receiving import push as pushing
from transfers.rules.lifecycle import State


def contents(instance: Instance) -> bytes:
    """The bytes of an instance as the vault gives them back."""
    transfer = instance.transfer
    return b"".join(
        vault.read(
            instance.pack.name,
            key=key_of(transfer).packs,
            aad_prefix=pushing.aad_prefix(transfer.sender_id, transfer.pk, instance.pack.name),
            stretch=vault.Stretch(instance.ordinal, instance.offset, instance.sealed_length),
        )
    )


def test_what_comes_out_is_what_went_in(push: Push) -> None:
    files = [make_ct(), make_ct()]
    push(files)
    assert {contents(instance) for instance in Instance.objects.all()} == set(files)


def test_digests_are_kept(push: Push) -> None:
    file = make_ct()
    push([file])
    instance = Instance.objects.get()
    assert bytes(instance.sha256) == hashlib.sha256(file).digest()
    assert instance.crc32 == zlib.crc32(file)


def test_the_digest_of_the_tail_is_that_of_the_pixels(push: Push) -> None:
    file = make_ct()
    push([file])
    instance = Instance.objects.get()
    assert instance.pixel_offset is not None
    assert instance.tail_crc32 == zlib.crc32(file[instance.pixel_offset :])


def test_one_push_is_one_pack(push: Push) -> None:
    study = make_uid()
    push([make_ct(StudyInstanceUID=study) for _ in range(5)])
    assert Pack.objects.get().committed_length > 0
    assert Lease.objects.count() == 0


def test_two_studies_are_two_transfers(push: Push) -> None:
    outcome = push([make_ct(), make_ct()])
    assert len(outcome.transfer_ids) == Transfer.objects.count() == 2


def test_pushes_of_one_study_are_one_transfer(push: Push) -> None:
    study = make_uid()
    for _ in range(3):
        push([make_ct(StudyInstanceUID=study)])
    transfer = Transfer.objects.get()
    assert (transfer.instance_count, transfer.study_count) == (3, 1)
    assert Study.objects.get().instance_count == 3


def test_counters_tell_bytes(push: Push) -> None:
    files = [make_ct(), make_ct()]
    study = make_uid()
    files = [make_ct(StudyInstanceUID=study), make_ct(StudyInstanceUID=study, pixels=bytes(2000))]
    push(files)
    assert Transfer.objects.get().byte_count == sum(map(len, files))


def test_an_equal_resend_changes_nothing(push: Push) -> None:
    file = make_ct()
    push([file])
    before = Transfer.objects.get().revision
    outcome = push([file])
    assert len(outcome.stored) == 1
    assert Transfer.objects.get().revision == before


def test_an_equal_resend_leaves_no_object(push: Push) -> None:
    file = make_ct()
    push([file])
    push([file])
    assert receiving.discard_packs() == 1
    assert len(list(vault.list_objects())) >= 1
    assert Pack.objects.count() == 1


def test_a_later_version_takes_the_place_of_the_earlier(push: Push) -> None:
    uid, study = make_uid(), make_uid()
    old = make_ct(SOPInstanceUID=uid, StudyInstanceUID=study, InstitutionName="A")
    new = make_ct(SOPInstanceUID=uid, StudyInstanceUID=study, InstitutionName="B")
    push([old])
    push([new])
    assert contents(Instance.objects.get()) == new
    assert Transfer.objects.get().byte_count == len(new)


def test_both_digests_of_a_replaced_version_are_audited(push: Push) -> None:
    uid, study = make_uid(), make_uid()
    old = make_ct(SOPInstanceUID=uid, StudyInstanceUID=study, InstitutionName="A")
    new = make_ct(SOPInstanceUID=uid, StudyInstanceUID=study, InstitutionName="B")
    push([old])
    push([new])
    event = AuditEvent.objects.filter(action="push.store").latest("id")
    assert event.detail["replaced"] == [
        {
            "sop_instance_uid": uid,
            "from": hashlib.sha256(old).hexdigest(),
            "to": hashlib.sha256(new).hexdigest(),
        }
    ]


def test_the_same_uid_twice_in_one_push_keeps_the_last(push: Push) -> None:
    uid, study = make_uid(), make_uid()
    files = [make_ct(SOPInstanceUID=uid, StudyInstanceUID=study, InstitutionName=name) for name in "AB"]
    outcome = push(files)
    assert len(outcome.stored) == 2
    assert contents(Instance.objects.get()) == files[1]


def test_one_bad_instance_does_not_fail_the_others(push: Push) -> None:
    study = make_uid()
    good = [make_ct(StudyInstanceUID=study) for _ in range(2)]
    outcome = push([good[0], b"not DICOM at all" * 20, good[1]])
    assert len(outcome.stored) == 2
    assert isinstance(outcome.failed[0].error, errors.NotDicom)
    assert {contents(instance) for instance in Instance.objects.all()} == set(good)


def test_a_truncated_instance_is_never_stored(push: Push) -> None:
    study = make_uid()
    whole = make_ct(StudyInstanceUID=study)
    outcome = push([whole, make_ct(StudyInstanceUID=study, pixels=bytes(5000))[:-1]])
    assert isinstance(outcome.failed[0].error, errors.TruncatedInstance)
    assert contents(Instance.objects.get()) == whole


def test_the_study_of_the_url_is_insisted_on(push: Push) -> None:
    outcome = push([make_ct()], study=make_uid())
    assert isinstance(outcome.failed[0].error, errors.WrongStudy)
    assert not Transfer.objects.exists()


def test_a_cut_push_keeps_its_whole_instances(who: Principal, recipient: Organization) -> None:
    study = make_uid()
    whole = make_ct(StudyInstanceUID=study)

    def parts() -> Iterator[Iterator[bytes]]:
        yield pieces(whole)
        yield pieces(make_ct(StudyInstanceUID=study)[:-10])
        raise errors.MalformedMultipart

    outcome = receiving.receive(who, access.destination_of_address(who, recipient.address), parts())
    assert isinstance(outcome.cut, errors.MalformedMultipart)
    assert [one.transfer_id for one in outcome.stored] == [Transfer.objects.get().pk]
    assert contents(Instance.objects.get()) == whole


def test_a_partner_gets_an_open_delivery(push: Push, recipient: Organization) -> None:
    push([make_ct()])
    delivery = Delivery.objects.get()
    assert (delivery.organization, delivery.access) == (recipient, "open")


def test_a_stranger_waits_for_acceptance(who: Principal) -> None:
    make_organization("county-clinic")
    receiving.receive(who, access.destination_of_address(who, "county-clinic"), [pieces(make_ct())])
    assert Delivery.objects.get().access == "waiting"
    assert Job.objects.filter(event="delivery.waiting").exists()


def test_an_unknown_address_is_refused_before_a_byte(who: Principal) -> None:
    with pytest.raises(errors.NotFound):
        access.destination_of_address(who, "nowhere")


def test_a_push_without_address_is_a_draft(who: Principal) -> None:
    receiving.receive(who, access.draft_destination(who), [pieces(make_ct())])
    assert Transfer.objects.get().state == State.DRAFT
    assert not Delivery.objects.exists()
    assert Job.objects.filter(event="transfer.check").exists()


def test_a_foreign_transfer_takes_nothing(push: Push) -> None:
    push([make_ct()])
    stranger = store_key(make_organization("county-clinic"), "key:stranger")
    with pytest.raises(errors.NotFound):
        access.destination_of_transfer(stranger, Transfer.objects.get().pk)


def test_the_intake_gathers_until_the_transfer_is_available(push: Push) -> None:
    study = make_uid()
    push([make_ct(StudyInstanceUID=study)])
    assert Intake.objects.get().study_instance_uid == study


@pytest.mark.django_db(transaction=True)
def test_twenty_parallel_pushes_of_a_study_are_one_transfer(
    who: Principal, recipient: Organization, transactional_db: None
) -> None:
    study = make_uid()
    files = [make_ct(StudyInstanceUID=study) for _ in range(10)]
    failures: list[object] = []

    def push_all() -> None:
        try:
            destination = access.destination_of_address(who, recipient.address)
            failures.extend(receiving.receive(who, destination, [pieces(file) for file in files]).failed)
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=push_all) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert Transfer.objects.get().instance_count == 10
    assert {contents(instance) for instance in Instance.objects.all()} == set(files)
