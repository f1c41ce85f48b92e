"""From one Orthanc through the exchange into another: County Clinic sends, St Elsewhere fetches."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.faults import tree
from tests.peers import exchanging, orthanc
from tests.peers.corpus import Original
from tests.peers.exchanging import Shipment
from tests.peers.orthanc import Orthanc
from tests.peers.table import Table

pytestmark = [pytest.mark.peers, pytest.mark.needs("Orthanc", "curl", "dcmdump")]


@dataclass(frozen=True)
class Road:
    sender: Orthanc
    recipient: Orthanc
    taken: list[Original]  # what the sending Orthanc holds, byte for byte


@pytest.fixture(scope="module")
def road(running: tree.Tree, shipments: list[Shipment], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    folder = tmp_path_factory.mktemp("orthanc")
    clinic, elsewhere = running.sites["county-clinic"], running.sites["st-elsewhere"]
    outbox = orthanc.server(f"{running.base_url}/dicomweb/to/st-elsewhere/", clinic.store_key)
    inbox = orthanc.server(f"{running.base_url}/dicomweb/", elsewhere.read_key)
    with (
        orthanc.serving(folder / "sender", {"outbox": outbox}) as sender,
        orthanc.serving(folder / "recipient", {"inbox": inbox}) as recipient,
    ):
        # One version of a UID: of several from one sender the newest counts.
        offered = {original.sop_instance: original for shipment in shipments for original in shipment.stored}
        taken = [original for original in offered.values() if sender.take(original.path.read_bytes())]
        for study in sender.names("studies"):
            sender.post("/dicom-web/servers/outbox/stow", {"Resources": [study], "Synchronous": True})
        tree.wait_for(lambda: not _under_way(running), seconds=300, what="validation")
        yield Road(sender, recipient, taken)


def test_what_orthanc_stores_here_comes_back_the_same(running: tree.Tree, road: Road, table: Table) -> None:
    peer = "Orthanc, STOW-RS"
    found = {digest for transfer in _transfers(running) for digest in _digests(running, transfer["id"])}
    assert found == road.sender.digests()
    for original in road.taken:
        table.record(peer, original, why="" if original.sha256 in found else "other bytes")
    assert not table.failures(peer)


def test_what_orthanc_retrieves_is_what_was_sent(running: tree.Tree, road: Road, table: Table) -> None:
    available = [transfer for transfer in _transfers(running) if transfer["state"] == "available"]
    studies = {study for transfer in available for study in _studies(running, transfer["id"])}
    found = road.recipient.post("/dicom-web/servers/inbox/qido", {"Uri": "/studies"})
    assert {study["0020000D"]["Value"] for study in found} == studies
    for study in sorted(studies):
        wanted = {"Resources": [{"Study": study}], "Synchronous": True}
        road.recipient.post("/dicom-web/servers/inbox/retrieve", wanted)
    peer, digests = "Orthanc, WADO-RS", road.recipient.digests()
    for original in road.taken:
        if original.study in studies:
            table.record(peer, original, why="" if original.sha256 in digests else "not retrieved as it is")
    assert not table.failures(peer)


def _transfers(running: tree.Tree) -> list[dict[str, Any]]:  # Any: JSON
    """All that County Clinic sent."""
    found: list[dict[str, Any]] = []  # Any: JSON
    path = "/api/transfers/?direction=sent&limit=200"
    while path:
        page = exchanging.ask(running, path, key=running.sites["county-clinic"].store_key).json
        found += page["results"]
        path = (page["next"] or "").partition("/api/")[2]
        path = path and f"/api/{path}"
    return found


def _under_way(running: tree.Tree) -> bool:
    return any(transfer["state"] in exchanging.UNDER_WAY for transfer in _transfers(running))


def _studies(running: tree.Tree, transfer_id: str) -> list[str]:
    key = running.sites["county-clinic"].store_key
    answer = exchanging.ask(running, f"/api/transfers/{transfer_id}/", key=key)
    return [study["study_instance_uid"] for study in answer.json["studies"]]


def _digests(running: tree.Tree, transfer_id: str) -> set[str]:
    return {
        exchanging.digest(file)
        for study in _studies(running, transfer_id)
        for file in exchanging.parts(
            exchanging.ask(
                running,
                f"/dicomweb/transfers/{transfer_id}/studies/{study}",
                key=running.sites["county-clinic"].read_key,
                accept=exchanging.AS_STORED,
            )
        )
    }
