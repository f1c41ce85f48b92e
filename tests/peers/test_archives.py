"""The ZIP of a transfer, opened by programs that people have."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from tests.faults import tree
from tests.peers import exchanging
from tests.peers.exchanging import Shipment
from tests.peers.table import Table

pytestmark = [pytest.mark.peers, pytest.mark.needs("curl", "dcmdump")]
TESTS = {"unzip": ["unzip", "-tqq"], "7z": ["7z", "t", "-bd"], "bsdtar": ["bsdtar", "-tf"]}


@pytest.fixture(scope="module")
def archives(
    running: tree.Tree, available: list[Shipment], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("archives")
    found = {}
    for shipment in available:
        path = f"/api/transfers/{shipment.transfer_id}/download/?format=zip"
        answer = exchanging.ask(running, path, key=exchanging.reader(running))
        assert (answer.status, int(answer.headers["Content-Length"])) == (200, len(answer.body))
        found[shipment.transfer_id] = folder / f"{shipment.transfer_id}.zip"
        found[shipment.transfer_id].write_bytes(answer.body)
    return found


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.needs(name)) for name in TESTS])
def test_a_program_finds_no_fault(name: str, archives: dict[str, Path]) -> None:
    for archive in archives.values():
        done = subprocess.run([*TESTS[name], archive], capture_output=True, text=True, timeout=120, check=False)
        assert not done.returncode, done.stdout + done.stderr


@pytest.mark.needs("unzip")
def test_unpacked_files_are_those_that_were_sent(
    archives: dict[str, Path], available: list[Shipment], table: Table, tmp_path: Path
) -> None:
    for shipment in available:
        folder = tmp_path / shipment.transfer_id
        subprocess.run(["unzip", "-q", archives[shipment.transfer_id], "-d", folder], timeout=120, check=True)
        digests = {hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.rglob("*") if file.is_file()}
        for original in shipment.stored:
            table.record("unzip", original, why="" if original.sha256 in digests else "not in the ZIP")
    assert not table.failures("unzip")
