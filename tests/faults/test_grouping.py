"""What real senders do to one study: push it many times at once, in batches, again, and late."""

import http.client
import io
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pydicom
import pytest

from tests.faults import invariants, sending
from tests.faults import tree as trees
from tests.faults.sending import MULTIPART, TO, Answer, File, Journal
from tests.faults.tree import Tree

pytestmark = pytest.mark.faults


@pytest.fixture
def key(tree: Tree) -> str:
    return tree.sites["st-elsewhere"].store_key


def test_twenty_pushes_of_one_study_at_once_are_one_transfer(tree: Tree, key: str) -> None:
    """More than a key may have running: the rest wait for their turn."""
    journal, study = Journal(), sending.make_study(30, size=30_000, series=3)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: sending.push(tree.base_url, key, study, journal=journal), range(20)))
    assert [answer.status for answer in answers] == [200] * 20
    (transfer,) = {answer.transfer for answer in answers}
    invariants.check_all(tree, journal)
    assert tree.rows("SELECT instance_count, state FROM transfers_transfer WHERE id = %s", transfer) == [
        (30, "available")
    ]
    assert invariants.notices(tree, {transfer}) == 1
    assert transfers_of(tree, study) == {transfer}


def test_parallel_pushes_in_any_order_do_not_block_each_other(tree: Tree, key: str) -> None:
    """Each sender begins elsewhere in the study, and some leave the end out."""
    journal, study = Journal(), sending.make_study(24)
    turns = [(study[start:] + study[:start])[: 12 + start] for start in range(0, 12, 2)]
    with ThreadPoolExecutor(len(turns)) as pool:
        answers = list(pool.map(lambda turn: sending.push(tree.base_url, key, turn, journal=journal), turns))
    assert {answer.status for answer in answers} == {200}
    assert len(journal.digests) == 24
    invariants.check_all(tree, journal)
    assert invariants.notices(tree, transfers_of(tree, study)) == 1


def test_batches_over_two_connections_with_a_stall_are_one_transfer(tree: Tree, key: str) -> None:
    """One stands still for longer than the quiet time, and what was sent comes again with rewritten headers."""
    journal, study = Journal(), sending.make_study(9, size=60_000)
    first, stalled, last = study[:3], study[3:6], study[6:]
    rewritten = [rewrite(file) for file in first]
    go_on = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(push_with_a_stall, tree, key, stalled, go_on)
        answers = [sending.push(tree.base_url, key, batch, journal=journal) for batch in (first, last, rewritten)]
        wait_longer_than_quiet(tree, answers[0].transfer)
        go_on.set()
        answers.append(slow.result())
        journal.note(answers[-1], stalled)
    assert [answer.status for answer in answers] == [200] * 4
    (transfer,) = {answer.transfer for answer in answers}
    invariants.check_all(tree, journal)
    assert transfers_of(tree, study) == {transfer}
    assert invariants.notices(tree, {transfer}) == 1
    came = invariants.pull_digests(tree, study[0].study_instance_uid)
    assert came == {file.sha256 for file in (*rewritten, *stalled, *last)}


def test_late_instances_are_one_follow_up(tree: Tree, key: str) -> None:
    journal, study = Journal(), sending.make_study(8)
    first = sending.push(tree.base_url, key, study[:4], journal=journal)
    invariants.settle(tree)
    late = [sending.push(tree.base_url, key, batch, journal=journal) for batch in (study[:6], study[5:])]
    (follow_up,) = {answer.transfer for answer in late if answer.transfer != first.transfer}
    invariants.check_all(tree, journal)
    assert transfers_of(tree, study) == {first.transfer, follow_up}
    assert tree.rows("SELECT follows_id::text, instance_count FROM transfers_transfer WHERE id = %s", follow_up) == [
        (first.transfer, 4)
    ]
    assert invariants.notices(tree, {first.transfer}) == invariants.notices(tree, {follow_up}) == 1


def test_what_an_available_transfer_holds_makes_no_second_one(tree: Tree, key: str) -> None:
    journal, study = Journal(), sending.make_study(3)
    first = sending.push(tree.base_url, key, study, journal=journal)
    invariants.settle(tree)
    again = sending.push(tree.base_url, key, study, journal=journal)
    assert again.status == 200 and set(again.stored) == set(first.stored)
    invariants.check_all(tree, journal)
    trees.wait_for(lambda: transfers_of(tree, study) == {first.transfer}, what="the end of the empty follow-up")


def transfers_of(tree: Tree, study: list[File]) -> set[str]:
    rows = tree.rows(
        "SELECT DISTINCT transfer_id::text FROM transfers_study WHERE study_instance_uid = %s",
        study[0].study_instance_uid,
    )
    return {transfer for (transfer,) in rows}


def rewrite(file: File) -> File:
    """The same image as an archive sends it the second time: another institution, the same pixels."""
    ds = pydicom.dcmread(io.BytesIO(file.content))
    ds.InstitutionName = "Elsewhere"
    changed = io.BytesIO()
    ds.save_as(changed, enforce_file_format=True)
    return File(file.study_instance_uid, file.sop_instance_uid, changed.getvalue())


def push_with_a_stall(tree: Tree, key: str, files: list[File], go_on: threading.Event) -> Answer:
    """Push half, wait, push the rest."""
    body = sending.multipart(files)
    address = urlsplit(tree.base_url)
    fields = (
        f"POST {TO} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {key}",
        f"Content-Type: {MULTIPART}",
        f"Content-Length: {len(body)}",
    )
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=120) as line:
        line.sendall("\r\n".join([*fields, "", ""]).encode() + body[: len(body) // 2])
        go_on.wait(60)
        line.sendall(body[len(body) // 2 :])
        response = http.client.HTTPResponse(line)
        response.begin()
        return sending.read_answer(response)


def wait_longer_than_quiet(tree: Tree, transfer: str) -> None:
    """Sweeps have passed since the transfer was last written to, and none has ended it."""
    asking = "SELECT quiet_until < now() - interval '2 seconds' FROM transfers_transfer WHERE id = %s"
    trees.wait_for(lambda: tree.rows(asking, transfer)[0][0], what="the end of the quiet time")
    assert tree.rows("SELECT state FROM transfers_transfer WHERE id = %s", transfer) == [("receiving",)]
