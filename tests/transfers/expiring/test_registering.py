"""Who got Mrs X's CT in March?"""

import pytest

from accounts.models import AuditEvent, Organization
from accounts.principals import Principal
from tests import factories
from tests.transfers.expiring.conftest import Make, principal
from transfers import errors, expiring
from transfers.expiring import DisclosureEntry
from transfers.models import Disclosure, PullRecord, Transfer
from transfers.rules.lifecycle import State

pytestmark = pytest.mark.django_db


def pull(transfer: Transfer) -> None:
    PullRecord.objects.create(
        delivery=transfer.deliveries.get(),
        instance=transfer.instances.get(),
        kind="pulled",
        road="zip",
        principal="x",
        first_at=transfer.created_at,
        last_at=transfer.created_at,
    )


def find(who: Principal, patient_id: str, *, issuer: str = "", accession: str = "") -> list[DisclosureEntry]:
    return expiring.search_disclosures(who, patient_id=patient_id, issuer=issuer, accession=accession)


@pytest.mark.parametrize("is_over", [False, True])
def test_it_is_found_while_it_lives_and_when_it_is_gone(sent: Make, sender: Principal, is_over: bool) -> None:
    transfer = sent(patient_id="P-7")
    sent(patient_id="P-8")
    pull(transfer)
    if is_over:
        expiring.withdraw(sender, transfer.pk)
    (entry,) = find(sender, "P-7")
    assert (entry.reference, entry.recipient_name) == (transfer.reference, "General Hospital")
    assert (entry.pulled_instances, entry.instance_count) == (1, 1)
    assert entry.first_pulled_at == transfer.created_at
    assert (entry.closed_at is not None) is is_over


def test_accession_and_patient_narrow_each_other(sent: Make, sender: Principal) -> None:
    expiring.withdraw(sender, sent(patient_id="P-7").pk)
    sent(patient_id="P-7")
    assert len(find(sender, "P-7", accession="A-1")) == len(find(sender, "", accession="A-1")) == 2
    assert find(sender, "P-7", accession="A-2") == []


def test_the_same_id_of_another_issuer_is_another_person(sent: Make, sender: Principal) -> None:
    expiring.withdraw(sender, sent(patient_id="P-7").pk)
    sent(patient_id="P-7")
    assert find(sender, "P-7", issuer="somewhere-else") == []


def test_another_organisation_finds_nothing_of_it(sent: Make, sender: Principal, general: Organization) -> None:
    sent(patient_id="P-7")
    assert find(principal(general, "manage"), "P-7", issuer="st-elsewhere") == []


def test_only_administrators_ask(sent: Make, elsewhere: Organization) -> None:
    with pytest.raises(errors.Forbidden):
        find(principal(elsewhere, "store", "read"), "P-7")


def test_nobody_is_found_by_nothing(sender: Principal) -> None:
    with pytest.raises(errors.BadRequest):
        find(sender, "")


def test_asking_is_audited_without_the_patient(sent: Make, sender: Principal) -> None:
    find(sender, "P-7")
    event = AuditEvent.objects.get(action="disclosure.search")
    assert "P-7" not in str(event.detail) + event.subject


def test_what_never_was_available_was_never_disclosed(sent: Make, sender: Principal) -> None:
    expiring.withdraw(sender, sent(state=State.HELD).pk)
    assert not Disclosure.objects.exists()


def test_two_patients_requests_in_one_transfer_are_told_apart(sent: Make, sender: Principal) -> None:
    transfer = sent(patient_id="P-7")
    factories.store_instance(transfer, factories.make_ct(AccessionNumber="A-2"))
    expiring.withdraw(sender, transfer.pk)
    assert sorted(row.instance_count for row in Disclosure.objects.all()) == [1, 1]
    assert [entry.instance_count for entry in find(sender, "P-7")] == [1]
