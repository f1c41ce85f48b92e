"""Every file pushed as it lies by curl comes back the same, or was refused for the right reason, in words."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults import tree
from tests.peers import corpus, exchanging
from tests.peers.corpus import Original
from tests.peers.exchanging import MULTIPART, Push, Shipment, Verdict
from tests.peers.table import Table

pytestmark = [pytest.mark.peers, pytest.mark.needs("curl", "dcmdump")]


def test_a_body_of_its_own(shipments: list[Shipment], pulled: dict[str, dict[str, Path]], table: Table) -> None:
    for shipment in shipments:
        for verdict in shipment.verdicts:
            name = "stored and given back, byte for byte" if not verdict.reason else verdict.sentence
            table.reasons[f"{verdict.reason:04X} {name}" if verdict.reason else name] += 1
    judge("curl, application/dicom", shipments, pulled, table)


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "chunked"])
def test_a_study_as_multipart(
    running: tree.Tree, originals: list[Original], table: Table, tmp_path: Path, is_chunked: bool
) -> None:
    groups = corpus.group(originals)
    recipient = "general-hospital.radiology" if is_chunked else "county-clinic"
    pushes = [
        Push(
            exchanging.draft(running, recipient),
            exchanging.multipart([original.path for original in group], tmp_path / f"body{number}"),
            MULTIPART,
            is_chunked,
        )
        for number, group in enumerate(groups)
    ]
    answers = exchanging.curl(running, pushes, tmp_path)
    shipments = [
        Shipment(push.transfer_id, recipient, exchanging.verdicts(group, answer))
        for push, group, answer in zip(pushes, groups, answers, strict=True)
    ]
    whole = [shipment for shipment in shipments if shipment.stored]
    exchanging.send(running, [shipment.transfer_id for shipment in whole])
    pulled = {
        one.transfer_id: exchanging.keep(exchanging.pull(running, one), tmp_path / one.transfer_id) for one in whole
    }
    judge(f"curl, multipart {'chunked' if is_chunked else 'with a length'}", shipments, pulled, table)


def test_a_file_that_is_no_dicom_at_all(running: tree.Tree, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not an image")
    push = Push(exchanging.draft(running, "general-hospital"), tmp_path / "text", "application/dicom")
    (answer,) = exchanging.curl(running, [push], tmp_path)
    assert (answer.status, answer.json["0008119A"]["Value"][0]["00081197"]["Value"]) == (409, [0xC000])


def test_a_download_that_broke_off_goes_on_where_it_stopped(
    running: tree.Tree, available: list[Shipment], tmp_path: Path
) -> None:
    largest = max(available, key=lambda one: sum(original.path.stat().st_size for original in one.stored))
    url = f"{running.base_url}/api/transfers/{largest.transfer_id}/download/?format=zip"
    command = ["curl", "--silent", "--fail", "-H", f"Authorization: Bearer {exchanging.reader(running)}", url]
    subprocess.run([*command, "--output", tmp_path / "whole.zip"], check=True)
    whole = (tmp_path / "whole.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 3])
    subprocess.run([*command, "--continue-at", "-", "--output", tmp_path / "cut.zip"], check=True)
    assert (tmp_path / "cut.zip").read_bytes() == whole


def judge(peer: str, shipments: Sequence[Shipment], pulled: dict[str, dict[str, Path]], table: Table) -> None:
    for shipment in shipments:
        for verdict in shipment.verdicts:
            table.record(peer, verdict.original, why=wrong(verdict, pulled.get(shipment.transfer_id, {})))
    assert not table.failures(peer)


def wrong(verdict: Verdict, pulled: dict[str, Path]) -> str:
    """What is wrong with a verdict, judged without the exchange's own reader; empty if nothing is."""
    original = verdict.original
    if not verdict.reason:
        if original.flaw:
            return f"stored in spite of: {original.flaw}"
        return "" if original.sha256 in pulled else "other bytes came back"
    if not verdict.sentence:
        return "refused without a sentence"
    expected = original.refusal or (corpus.CANNOT_UNDERSTAND if original.is_cut() else 0)
    return "" if verdict.reason == expected else f"refused with {verdict.reason:04X}, not {expected:04X}"
