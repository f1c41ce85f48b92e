"""The sandbox: what a child may not do, and what becomes of one that tries."""

import io
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pydicom.data
import pytest
from pydicom.uid import UID, ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from tests import factories
from tests.transfers.misbehaving import DIE
from transfers import errors, sandbox
from transfers.formats import part10
from transfers.sandbox import Trimmed, Trimmer, activity, trimming, workers

MISBEHAVING = "tests.transfers.misbehaving"
SAMPLES = ["CT_small.dcm", "MR_small_bigendian.dcm", "rtplan.dcm", "JPEG2000.dcm", "image_dfl.dcm", "test-SR.dcm"]


def ask(task: str, of: str = "", *, seconds: float = 20.0) -> str:
    answer = workers.call(MISBEHAVING, {"task": task, "of": of}, seconds=seconds, max_reply=0).header["answer"]
    assert isinstance(answer, str)
    return answer


def sample(name: str) -> bytes:
    path = pydicom.data.get_testdata_file(name)
    assert isinstance(path, str)
    return Path(path).read_bytes()


def trimmed(file: bytes, *, step: int = 1 << 18) -> Trimmed:
    scanner = part10.Scanner(size=len(file))
    scanner.feed(file)
    header = scanner.finish()
    trimmer = Trimmer(transfer_syntax_uid=header.transfer_syntax_uid, dataset_offset=header.dataset_offset)
    for start in range(0, len(file), step):
        trimmer.feed(file[start : start + step])
    return Trimmed(bytes(trimmer.kept), "/studies/1/series/2/instances/3")


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_the_child_has_no_secrets_in_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "do not tell")
    with workers.Pool(MISBEHAVING).borrowed() as child:
        answer = child.ask({"task": "environment", "of": "SECRET_KEY"}, b"", seconds=20, max_reply=0)
        child.kill()
    assert answer.header["answer"] == ""


def test_the_kernel_grants_every_measure() -> None:
    assert workers.isolation(MISBEHAVING) == {"privileges", "network", "memory", "files", "syscalls"}


def test_the_child_reads_no_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret")
    assert ask("read", str(tmp_path / "key")) == "PermissionError"


def test_the_child_writes_no_file(tmp_path: Path) -> None:
    assert ask("write", str(tmp_path / "file")) == "PermissionError"


def test_the_child_connects_to_nothing(listening: int) -> None:
    assert ask("connect", str(listening)) == "PermissionError"


def test_the_child_runs_nothing() -> None:
    assert ask("run", "/bin/true") == "PermissionError"


def test_the_child_signals_nobody() -> None:
    assert ask("kill", str(os.getpid())) == "PermissionError"


def test_the_child_serves_more_than_one_request() -> None:
    assert ask("pid") == ask("pid")


def test_a_child_that_dies_is_told_and_replaced() -> None:
    before = ask("pid")
    with pytest.raises(errors.SandboxKilled):
        workers.call(MISBEHAVING, {"task": "describe"}, DIE, seconds=20, max_reply=0)
    assert ask("pid") != before


def test_a_child_that_was_killed_while_idle_is_replaced() -> None:
    before = int(ask("pid"))
    os.kill(before, signal.SIGKILL)
    while workers._pool(MISBEHAVING)._idle[-1].is_alive():
        time.sleep(0.01)
    assert ask("pid") != str(before)


@pytest.mark.parametrize("task", ["sleep", "spin"])
def test_a_child_that_does_not_answer_in_time_is_killed(task: str) -> None:
    pid = int(ask("pid"))
    with pytest.raises(errors.SandboxKilled):
        ask(task, seconds=0.3)
    assert not Path(f"/proc/{pid}").exists()


def test_a_child_that_eats_memory_ends() -> None:
    with pytest.raises(errors.SandboxKilled):
        ask("eat")


def test_an_answer_too_long_is_not_read() -> None:
    with pytest.raises(errors.SandboxKilled):
        workers.call(MISBEHAVING, {"task": "pour", "octets": 1001}, seconds=20, max_reply=1000)


def test_an_answer_of_the_greatest_length_is_read() -> None:
    assert workers.call(MISBEHAVING, {"task": "pour", "octets": 1 << 20}, seconds=20, max_reply=1 << 20).body == bytes(
        1 << 20
    )


def test_the_text_of_an_error_stays_inside() -> None:
    reply = workers.call(MISBEHAVING, {"task": "raise", "of": "Doe^Jane"}, seconds=20, max_reply=0)
    assert reply.header == {"error": "ValueError"}


def test_a_module_that_cannot_be_imported_is_no_sandbox() -> None:
    with pytest.raises(errors.SandboxUnavailable):
        workers.call("tests.transfers.there_is_no_such_module", {}, seconds=20, max_reply=0)


def test_threads_ask_children_of_their_own() -> None:
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(ask("pid"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8 and str(os.getpid()) not in answers


def test_a_child_outlives_the_thread_that_first_asked() -> None:
    pids: list[str] = []
    thread = threading.Thread(target=lambda: pids.append(ask("pid")))
    thread.start()
    thread.join()
    assert Path(f"/proc/{pids[0]}").exists()


def test_a_forked_process_has_children_of_its_own() -> None:
    before = ask("pid")
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, ask("pid").encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read) as pipe:
        theirs = pipe.read()
    os.waitpid(pid, 0)
    assert theirs and theirs != before and ask("pid") == before


def test_no_child_outlives_its_parent() -> None:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, ask("pid").encode())
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.close(write)
    with open(read) as pipe:
        child = int(pipe.read())
    os.waitpid(pid, 0)
    end = time.monotonic() + 10
    while Path(f"/proc/{child}/fd").exists() and time.monotonic() < end and not _is_zombie(child):
        time.sleep(0.02)
    assert not Path(f"/proc/{child}").exists() or _is_zombie(child)


def _is_zombie(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


def test_one_bad_instance_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfers.sandbox.descriptions.MODULE", MISBEHAVING)
    bad = trimmed(factories.make_ct(PatientName=DIE.decode()))
    good = trimmed(factories.make_ct())
    assert [one is None for one in sandbox.describe([good, bad, good])] == [False, True, False]


def test_an_instance_is_described() -> None:
    (described,) = sandbox.describe([trimmed(factories.make_ct(PatientName="Doe^Jane=\u5c71\u7530", InstanceNumber=7))])
    assert described is not None
    assert (described.patient.patient_id, described.patient.name) == ("P-1", "Doe^Jane=\u5c71\u7530")
    assert described.facts.instance_number == 7 and described.facts.pixel_bits == 16 * 16 * 16
    assert described.study is not None and b'"00100020": {"vr": "LO", "Value": ["P-1"]}' in described.study


def test_what_is_not_dicom_is_not_described() -> None:
    assert sandbox.describe([Trimmed(b"no DICOM at all" * 100, "/")]) == [None]


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_described_without_their_pixels(name: str) -> None:
    file = trimmed(sample(name))
    (described,) = sandbox.describe([file])
    assert described is not None and described.record.startswith(b"{")


def test_a_long_instance_sends_only_its_header() -> None:
    ct = factories.make_ct(pixels=bytes(32 << 20), Rows=4096, Columns=4096)
    assert len(trimmed(ct).file) < 4096


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("step", [1, 7, 997])
def test_trimming_is_the_same_however_the_file_comes(name: str, step: int) -> None:
    assert trimmed(sample(name)[:100_000_000], step=step) == trimmed(sample(name))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_long_binary_values_are_cut_in_every_syntax(syntax: UID) -> None:
    ds = pydicom.dcmread(io.BytesIO(factories.make_ct(pixels=b"")))
    ds.add_new(0x00091001, "OB", b"\1" * (2 << 20))
    ds.add_new(0x00091002, "LO", "after")
    file = io.BytesIO()
    ds.file_meta.TransferSyntaxUID = syntax
    kwargs = {"implicit_vr": syntax.is_implicit_VR, "little_endian": syntax.is_little_endian}
    pydicom.dcmwrite(file, ds, force_encoding=True, **kwargs)
    again = pydicom.dcmread(io.BytesIO(trimmed(file.getvalue()).file))
    assert len(again[0x00091001].value) == trimming.KEEP and again[0x00091002].value in ("after", b"after ")


def test_compressed_pixels_leave_an_element_behind() -> None:
    ds = pydicom.dcmread(io.BytesIO(sample("CT_small.dcm")))
    ds.compress(RLELossless)
    file = io.BytesIO()
    ds.save_as(file)
    again = pydicom.dcmread(io.BytesIO(trimmed(file.getvalue()).file))
    assert "PixelData" in again and len(again.PixelData) < 64


def windows_program() -> bytes:
    return b"MZ" + bytes(58) + (128).to_bytes(4, "little") + bytes(64) + b"PE\0\0" + bytes(5000)


def test_a_program_in_a_private_element_is_found_at_any_depth() -> None:
    ds = pydicom.dcmread(io.BytesIO(factories.make_ct()))
    item = pydicom.Dataset()
    item.add_new(0x00091001, "OB", windows_program())
    ds.add_new(0x00091010, "SQ", [item])
    (described,) = sandbox.describe([trimmed(factories.part10_file(ds))])
    assert described is not None and described.facts.active == activity.PROGRAM


def test_a_child_that_was_made_ready_serves_the_first_call() -> None:
    pool = workers.Pool(MISBEHAVING)
    pool.make_ready()
    (ready,) = pool._idle
    with pool.borrowed() as child:
        assert child is ready
        child.kill()


def test_a_child_that_cannot_be_made_ready_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = workers.Pool(MISBEHAVING)
    with monkeypatch.context() as broken:
        broken.setattr("sys.executable", "/nowhere")
        pool.make_ready()
    assert not pool._idle
