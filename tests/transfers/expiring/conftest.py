"""Keys and packs of its own for each test, and a validated transfer to end."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import Organization
from accounts.principals import Place, Principal
from tests import factories
from transfers import lookups
from transfers.models import Transfer
from transfers.rules.lifecycle import State

Make = Callable[..., Transfer]


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, settings: Settings) -> None:
    settings.STORAGE_URL = (tmp_path / "packs").as_uri()
    settings.EXCHANGE_KEYS = (tmp_path / "keys").as_uri()


@pytest.fixture
def elsewhere(db: None) -> Organization:
    return factories.make_organization("st-elsewhere")


@pytest.fixture
def general(db: None) -> Organization:
    return factories.make_organization("general-hospital")


@pytest.fixture
def sender(elsewhere: Organization) -> Principal:
    return principal(elsewhere, "store", "manage")


def principal(organization: Organization, *scopes: Any) -> Principal:  # Any: Scope, spelled out by the caller
    return Principal(
        kind="key", ident=f"key:{organization.address}", places=(Place(organization.pk, None, frozenset(scopes)),)
    )


@pytest.fixture
def sent(elsewhere: Organization, general: Organization) -> Make:
    """Make an available transfer of one CT study from St Elsewhere to General Hospital."""

    def make(**fields: Any) -> Transfer:  # Any: column values
        patient_id = fields.pop("patient_id", "P-1")
        fields = {"state": State.AVAILABLE, **fields}
        transfer = factories.make_transfer(elsewhere, to=[general], **fields)
        factories.store_instance(transfer, factories.make_ct(PatientID=patient_id, PatientName="Canary^Carla"))
        validate(transfer, patient_id=patient_id)
        transfer.refresh_from_db()
        return transfer

    return make


def validate(transfer: Transfer, *, patient_id: str) -> None:
    """Seal the study's record and hash it for look-ups, as validation does."""
    key = factories.key_of(transfer)
    record = {
        "00080050": {"vr": "SH", "Value": ["A-1"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Canary^Carla"}]},
        "00100020": {"vr": "LO", "Value": [patient_id]},
    }
    for study in transfer.studies.all():
        study.record = key.seal("study", study.study_instance_uid, json.dumps(record).encode())
        study.save()
    for study, whose in lookups.identities(transfer, key):
        assert whose is not None
        hashes = lookups.hashes_of(whose, key.hash)
        study.patient_hash, study.accession_hash = hashes.patient, hashes.accession
        study.save()
    Transfer.objects.filter(pk=transfer.pk).update(patient_hash=hashes.patient)
