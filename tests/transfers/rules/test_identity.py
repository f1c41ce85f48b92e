"""Identifiers and their issuers."""

from typing import Any

import pytest

from transfers.rules import identity
from transfers.rules.identity import Domains, Identity

OURS = Domains(patient="ST-E", accession="ST-E-RIS")


def record(**elements: Any) -> dict[str, Any]:  # Any: DICOM JSON
    base: dict[str, Any] = {"00100020": {"vr": "LO", "Value": ["P1"]}, "00080050": {"vr": "SH", "Value": ["A1"]}}
    return base | {tag.removeprefix("t"): {"vr": "XX", "Value": [value]} for tag, value in elements.items()}


def test_without_issuers_the_sender_is_the_domain() -> None:
    assert identity.of_study(record(), default=OURS) == Identity("P1", "ST-E", "A1", "ST-E-RIS")


def test_named_issuers_win() -> None:
    said = record(t00100021="MPI", t00080051={"00400031": {"vr": "UT", "Value": ["RIS"]}})
    assert identity.of_study(said, default=OURS) == Identity("P1", "MPI", "A1", "RIS")


def test_universal_ids_name_an_issuer_too() -> None:
    universal = {"00400032": {"vr": "UT", "Value": ["1.2.3"]}}
    said = record(t00100024=universal, t00080051=universal)
    assert identity.of_study(said, default=OURS) == Identity("P1", "1.2.3", "A1", "1.2.3")


@pytest.mark.parametrize("empty", [{}, {"00100020": {"vr": "LO"}}, {"00100020": {"vr": "LO", "Value": [None]}}])
def test_nobody_is_found_by_an_empty_id(empty: dict[str, Any]) -> None:  # Any: DICOM JSON
    whose = identity.of_study(empty, default=OURS)
    assert identity.patient_parts(whose) is None
    assert identity.accession_parts(whose) is None


def test_an_organisation_is_its_own_domain() -> None:
    assert identity.domains(address="clinic") == Domains("clinic", "clinic")
    assert identity.domains(address="clinic", oid="1.2", patient_id_issuer="MPI") == Domains("MPI", "1.2")
