"""The dicomweb-client of npm in node, its results read by dcmjs: what viewers in a browser stand on."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.faults import tree
from tests.peers import exchanging
from tests.peers.exchanging import Shipment
from tests.peers.table import Table

pytestmark = [pytest.mark.peers, pytest.mark.needs("node", "npm", "curl", "dcmdump")]
SCRIPT = Path(__file__).with_name("dicomweb_client.cjs")
PACKAGES = ("dicomweb-client@0.11", "dcmjs@0.52", "xhr2@0.2")


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder named by NODE_PACKAGES, or a new one."""
    if made := os.environ.get("NODE_PACKAGES"):
        return Path(made)
    folder = tmp_path_factory.mktemp("npm")
    command = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(folder), *PACKAGES]
    subprocess.run(command, check=True, timeout=300)
    return folder


def test_a_viewer_finds_and_reads_every_study(
    running: tree.Tree, available: list[Shipment], node_modules: Path, table: Table
) -> None:
    peer = "dicomweb-client (npm) and dcmjs"
    for shipment in _one_a_set(available):
        url = f"{running.base_url}/dicomweb/transfers/{shipment.transfer_id}"
        command = ["node", str(SCRIPT), str(node_modules), url, exchanging.reader(running), shipment.study]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert not done.returncode, done.stderr
        seen = json.loads(done.stdout)
        names = sorted(original.sop_instance for original in shipment.stored)
        assert seen["studies"] == [shipment.study]
        assert set(seen["series"]) == {original.series for original in shipment.stored}
        assert [sorted(seen[kind]) for kind in ("instances", "metadata", "read")] == [names] * 3
        for original in shipment.stored:
            table.record(peer, original, why="" if original.sha256 in seen["digests"] else "other bytes")
    assert not table.failures(peer)


def _one_a_set(available: list[Shipment]) -> list[Shipment]:
    """The largest transfer of each set: starting node takes its time."""
    largest = sorted(available, key=lambda shipment: len(shipment.stored))
    return list({shipment.stored[0].set_name: shipment for shipment in largest}.values())
