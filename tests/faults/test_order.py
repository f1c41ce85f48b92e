"""The order of system calls: pack synced, then the database's log, and only then the answer leaves."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import sending
from tests.faults import tree as trees
from tests.faults.tree import Tree

pytestmark = [pytest.mark.faults, pytest.mark.peers]
UPLOADS = 20
_CALL = re.compile(r"^(?P<pid>\d+)\s+(?P<at>[\d.]+) (?P<text>.*)$")


@dataclass(frozen=True)
class Moment:
    """When a kind of call returned."""

    at: float
    kind: str


def test_answer_leaves_after_both_syncs(tree: Tree, tmp_path: Path) -> None:
    key = tree.sites["st-elsewhere"].store_key
    trace = tmp_path / "trace"
    with traced(tree, trace):
        for _ in range(UPLOADS):
            answer = sending.push(tree.base_url, key, sending.make_study(1))
            assert answer.status == 200
    moments = sorted(read(trace), key=lambda moment: moment.at)
    assert orders(moments) == ["pack log answer"] * UPLOADS


@contextmanager
def traced(tree: Tree, trace: Path) -> Iterator[None]:
    """Watch every process of web server and database; strace ends with the block and changes nothing."""
    web, database = tree.find("granian"), tree.find("bin/postgres")
    assert web and database
    watched = [web, database, *web.children(recursive=True), *database.children(recursive=True)]
    pids = [word for process in watched for word in ("-p", str(process.pid))]
    calls = "trace=fdatasync,fsync,write,writev,sendto,sendmsg"
    strace = subprocess.Popen(
        ["strace", "-f", "-ttt", "-y", "-s", "24", "-e", calls, "-o", str(trace), *pids], stderr=subprocess.DEVNULL
    )
    try:
        trees.wait_for(lambda: all(is_traced(process.pid) for process in watched), what="strace")
        yield
    finally:
        strace.terminate()
        strace.wait()


def is_traced(pid: int) -> bool:
    try:
        return "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:  # a database process that has ended, such as autovacuum's
        return True


def read(trace: Path) -> Iterator[Moment]:
    """The moments that count. Calls of several processes cut each other's lines in two: the second half ends it."""
    begun: dict[str, str] = {}
    for line in trace.read_text(errors="replace").splitlines():
        if not (call := _CALL.match(line)):
            continue
        text = call["text"]
        if text.endswith("<unfinished ...>"):
            begun[call["pid"]] = text
            kind = kind_of(text)
            if kind == "answer":  # it may be on its way as soon as it is asked for
                yield Moment(float(call["at"]), kind)
            continue
        is_second = text.startswith("<... ")
        if is_second:
            text = begun.pop(call["pid"], "") + text
        kind = kind_of(text)
        if kind and not (kind == "answer" and is_second):
            assert kind == "answer" or text.endswith("= 0"), text
            yield Moment(float(call["at"]), kind)


def kind_of(text: str) -> str:
    if "sync(" in text and "/packs/" in text:
        return "pack" if text.startswith("fdatasync") else ""
    if "sync(" in text and "/pg_wal/" in text:
        return "log"
    return "answer" if "HTTP/1.1 200" in text else ""


def orders(moments: list[Moment]) -> list[str]:
    """What came before each answer since the one before it: the last sync of the pack, then one of the log."""
    found, since = [], list[str]()
    for moment in moments:
        since.append(moment.kind)
        if moment.kind == "answer":
            pack = len(since) - 1 - since[::-1].index("pack") if "pack" in since else len(since)
            found.append("pack log answer" if "log" in since[pack:] else " ".join(since))
            since = []
    return found
