"""DCMTK, GDCM and dicom3tools read what comes back, and judge it as they judge the file that was sent."""

import subprocess
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.peers.corpus import Original
from tests.peers.exchanging import Shipment
from tests.peers.table import Table

pytestmark = [pytest.mark.peers, pytest.mark.needs("curl", "dcmdump")]
A_SERIES = 3  # how many of each: further slices of a series only repeat it
READERS = {
    "dcmdump": ["dcmdump", "--quiet", "+L"],
    "dcmftest": ["dcmftest"],
    "gdcminfo": ["gdcminfo"],
    "gdcmdump": ["gdcmdump"],
    "dciodvfy": ["dciodvfy"],
    "dcm2json": ["dcm2json"],
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.needs(name)) for name in READERS])
def test_a_reader_says_the_same_of_both(
    name: str, shipments: list[Shipment], pulled: dict[str, dict[str, Path]], table: Table
) -> None:
    pairs = _pairs(shipments, pulled)
    with ThreadPoolExecutor(2) as pool:
        verdicts = list(pool.map(lambda pair: _said(name, pair[0].path) == _said(name, pair[1]), pairs))
    for (original, _), is_same in zip(pairs, verdicts, strict=True):
        table.record(name, original, why="" if is_same else "another verdict")
    assert not table.failures(name)


@pytest.mark.needs("dcmconv")
def test_dcmconv_rewrites_what_comes_back(
    shipments: list[Shipment], pulled: dict[str, dict[str, Path]], table: Table, tmp_path: Path
) -> None:
    """Into the syntax that it has, so that only reading and writing are tried."""
    for number, (original, file) in enumerate(_pairs(shipments, pulled)):
        codes = [_converts(path, tmp_path / f"{number}.dcm") for path in (original.path, file)]
        table.record("dcmconv", original, why="" if codes[0] == codes[1] else "one of both is not converted")
    assert not table.failures("dcmconv")


def _pairs(shipments: Sequence[Shipment], pulled: dict[str, dict[str, Path]]) -> list[tuple[Original, Path]]:
    taken: Counter[str] = Counter()
    pairs = []
    for shipment in shipments:
        for original in shipment.stored:
            if taken[original.series] < A_SERIES:
                taken[original.series] += 1
                pairs.append((original, pulled[shipment.transfer_id][original.sha256]))
    return pairs


def _said(name: str, path: Path) -> tuple[int, bytes, bytes]:
    """Exit code and words, without the name of the file."""
    done = subprocess.run([*READERS[name], path], capture_output=True, timeout=120, check=False)
    file = str(path).encode()
    return done.returncode, done.stdout.replace(file, b""), done.stderr.replace(file, b"")


def _converts(path: Path, out: Path) -> int:
    done = subprocess.run(["dcmconv", "--quiet", path, out], capture_output=True, timeout=120, check=False)
    return done.returncode
