"""A list of what belongs to a transfer: it ends the pushing when all is here, and proves what is not."""

import pytest
from django.db.models.functions import Now

from tests import factories
from tests.actors import Cast, make_cast
from tests.factories import make_ct, make_uid
from tests.transfers.judged import codes, validated
from transfers import access, addressing, declarations, errors, expiring, receiving
from transfers.models import DeclaredInstance, Lease, Transfer
from transfers.rules.lifecycle import State

pytestmark = pytest.mark.django_db

EMPTY = declarations.Comparison()


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def draft(cast: Cast, *uids: str) -> Transfer:
    created = addressing.create(cast.alice.who, recipients=["general-hospital"], declared_sop_instance_uids=list(uids))
    return Transfer.objects.get(pk=created.transfer_id)


def receiving_transfer(cast: Cast, *uids: str) -> Transfer:
    transfer = draft(cast, *uids)
    addressing.send(cast.alice.who, transfer.pk)
    return transfer


def push(cast: Cast, transfer: Transfer, uid: str, study: str = "1.2.3") -> None:
    file = make_ct(StudyInstanceUID=study, SOPInstanceUID=uid)
    destination = access.destination_of_transfer(cast.sender_store.who, transfer.pk)
    (outcome,) = [receiving.receive(cast.sender_store.who, destination, [iter([file])])]
    assert len(outcome.stored) == 1


def state_of(transfer: Transfer) -> tuple[str, str]:
    transfer.refresh_from_db()
    return transfer.state, transfer.finalised_by


def test_a_list_is_kept_once_each_with_its_number(cast: Cast) -> None:
    transfer = draft(cast, "1.2.1", "1.2.2", "1.2.1")
    assert transfer.declared_instances == 2
    assert set(transfer.declared.values_list("sop_instance_uid", flat=True)) == {"1.2.1", "1.2.2"}


def test_all_of_it_here_ends_the_pushing(cast: Cast) -> None:
    first, second = make_uid(), make_uid()
    transfer = receiving_transfer(cast, first, second)
    push(cast, transfer, first)
    assert state_of(transfer) == (State.RECEIVING, "")
    push(cast, transfer, second)
    assert state_of(transfer) == (State.VALIDATING, "commitment")


def test_as_many_others_do_not_end_it(cast: Cast) -> None:
    first, second = make_uid(), make_uid()
    transfer = receiving_transfer(cast, first, second)
    push(cast, transfer, first)
    push(cast, transfer, make_uid())
    assert state_of(transfer) == (State.RECEIVING, "")


def test_a_draft_that_holds_all_of_it_is_sent_whole(cast: Cast) -> None:
    uid = make_uid()
    transfer = draft(cast, uid)
    push(cast, transfer, uid)
    addressing.send(cast.alice.who, transfer.pk)
    assert state_of(transfer)[0] == State.VALIDATING


def test_a_list_that_comes_after_the_images_ends_the_pushing(cast: Cast) -> None:
    """As a PACS does that asks for commitment when it has sent all."""
    first, second = make_uid(), make_uid()
    transfer = receiving_transfer(cast, make_uid(), first)
    push(cast, transfer, first)
    push(cast, transfer, second)
    assert not addressing.declare(cast.alice.who, transfer.pk, [second])
    DeclaredInstance.objects.exclude(sop_instance_uid__in=[first, second]).delete()
    assert addressing.declare(cast.alice.who, transfer.pk, [second])
    assert state_of(transfer) == (State.VALIDATING, "commitment")


def test_a_push_in_flight_is_waited_for(cast: Cast) -> None:
    uid = make_uid()
    transfer = receiving_transfer(cast, uid, make_uid())
    push(cast, transfer, uid)
    DeclaredInstance.objects.exclude(sop_instance_uid=uid).delete()
    Lease.objects.create(transfer=transfer, kind="push", principal="key:x", started_at=Now(), heartbeat_at=Now())
    assert not addressing.declare(cast.alice.who, transfer.pk, [uid])
    assert state_of(transfer)[0] == State.RECEIVING


def test_what_is_missing_is_a_stop_with_its_number_and_cured_by_the_rest(cast: Cast) -> None:
    uids = [make_uid() for _ in range(3)]
    transfer = draft(cast, *uids)
    factories.store_instance(transfer, make_ct(SOPInstanceUID=uids[0], StudyInstanceUID="1.2.3"))
    Transfer.objects.filter(pk=transfer.pk).update(state=State.VALIDATING)
    assert validated(transfer).state == State.HELD
    finding = transfer.findings.get(code="incomplete")
    said = factories.key_of(transfer).open("finding", "incomplete:", finding.record or b"").decode()
    assert "2 of those announced missing, 1 arrived." in said
    for uid in uids[1:]:
        factories.store_instance(transfer, make_ct(SOPInstanceUID=uid, StudyInstanceUID="1.2.3"))
    Transfer.objects.filter(pk=transfer.pk).update(state=State.VALIDATING)
    assert validated(transfer).state == State.AVAILABLE


def test_what_is_not_in_the_list_is_to_be_checked(cast: Cast) -> None:
    uid = make_uid()
    transfer = draft(cast, uid)
    for one in (uid, make_uid()):
        factories.store_instance(transfer, make_ct(SOPInstanceUID=one, StudyInstanceUID="1.2.3"))
    Transfer.objects.filter(pk=transfer.pk).update(state=State.VALIDATING)
    assert validated(transfer).state == State.AVAILABLE
    assert "undeclared" in codes(transfer) and "incomplete" not in codes(transfer)


def test_what_the_transfer_before_it_holds_is_not_missing(cast: Cast) -> None:
    earlier = factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=State.AVAILABLE)
    sent, new = make_uid(), make_uid()
    factories.store_instance(earlier, make_ct(SOPInstanceUID=sent))
    created = addressing.create(cast.alice.who, declared_sop_instance_uids=[sent, new], follows=earlier.pk)
    assert declarations.compare(created.transfer_id).absent == 1


@pytest.mark.parametrize("state", [State.VALIDATING, State.HELD, State.AVAILABLE])
def test_a_list_is_taken_no_later_than_while_receiving(cast: Cast, state: State) -> None:
    transfer = factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=state)
    with pytest.raises(errors.Conflict, match="draft or receiving"):
        addressing.declare(cast.alice.who, transfer.pk, ["1.2.3"])


def test_a_number_and_a_list_exclude_each_other(cast: Cast) -> None:
    with pytest.raises(errors.InvalidField):
        addressing.create(cast.alice.who, declared_instances=2, declared_sop_instance_uids=["1.2.3"])
    numbered = addressing.create(cast.alice.who, declared_instances=2)
    with pytest.raises(errors.InvalidField):
        addressing.declare(cast.alice.who, numbered.transfer_id, ["1.2.3"])
    listed = draft(cast, "1.2.3")
    with pytest.raises(errors.InvalidField):
        addressing.change_draft(cast.alice.who, listed.pk, declared_instances=3)


def test_a_list_is_bounded(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declarations, "MOST", 2)
    transfer = draft(cast, "1.2.1", "1.2.2")
    with pytest.raises(errors.InvalidField, match="at most 2"):
        addressing.declare(cast.alice.who, transfer.pk, ["1.2.3"])
    assert transfer.declared.count() == 2


def test_a_stranger_declares_nothing(cast: Cast) -> None:
    with pytest.raises(errors.NotFound):
        addressing.declare(cast.mallory.who, draft(cast, "1.2.1").pk, ["1.2.3"])


def test_the_list_goes_with_the_transfer(cast: Cast) -> None:
    transfer = draft(cast, "1.2.1")
    expiring.withdraw(cast.alice.who, transfer.pk)
    assert not DeclaredInstance.objects.exists()


def test_without_a_list_there_is_nothing_to_compare() -> None:
    transfer = factories.make_transfer()
    factories.store_instance(transfer, make_ct())
    assert declarations.compare(transfer.pk) == EMPTY
