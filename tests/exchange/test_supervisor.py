"""The tree as a whole: real servers in a temporary folder; and its mechanics on small programs."""

import io
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from exchange import keeper, refusals
from exchange.refusals import StartError
from exchange.supervisor import Program, Supervisor

ROOT = Path(__file__).resolve().parents[2]
SLEEP = (sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)")
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
PARENT = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(60)"


@dataclass
class Running:
    """A start of `manage.py up`, as a user sees it."""

    process: subprocess.Popen[str]
    data: Path
    port: int
    log: Path

    def family(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def find(self, word: str) -> psutil.Process | None:
        """The child, not one of its own children, whose command line holds the word."""
        children = psutil.Process(self.process.pid).children()
        return next((child for child in children if word in command_line(child)), None)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up") / "data"


@pytest.fixture(scope="module")
def running(data: Path) -> Iterator[Running]:
    tree = start(data)
    yield tree
    if tree.process.poll() is None:
        tree.end(signal.SIGTERM)


def test_whole_tree_answers(running: Running) -> None:
    assert ask(running, "healthz") == 200
    names = ("bin/postgres", "valkey-server", "granian", "celery", "manage.py relay")
    assert all(running.find(name) for name in names)


def test_second_start_on_the_same_data_is_refused(running: Running) -> None:
    refused = up(running.data, port=free_port())
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        f"CommandError: The data in {running.data} are in use by another start (process {running.process.pid}): stop "
        "that one with Ctrl-C, or give this one a folder and a port of its own with EXCHANGE_DATA_DIR and "
        "EXCHANGE_PORT."
    ]


def test_busy_port_is_refused(running: Running, tmp_path: Path) -> None:
    refused = up(tmp_path / "other", port=running.port)
    assert refused.returncode == 1
    assert f"Port {running.port} on 127.0.0.1 is in use by another program" in refused.stderr
    assert not (tmp_path / "other").exists()


def test_who_starts_it_first_is_told_how_to_get_in(running: Running) -> None:
    log = running.log.read_text()
    assert "Nobody can sign in yet." in log
    same = f"EXCHANGE_DATA_DIR={running.data} EXCHANGE_PORT={running.port}"
    assert f"{same} {sys.executable} {ROOT / 'manage.py'} createsuperuser" in log
    assert f"Then open http://localhost:{running.port}/admin/" in log
    assert f"Mail is written into {running.data / 'mail'}." in log
    assert log.endswith("Serving. Ctrl-C stops it.\n")


def test_killed_children_are_started_again(running: Running) -> None:
    names = ("bin/postgres", "valkey-server", "granian", "celery", "manage.py relay")
    killed = [(name, child) for name in names if (child := running.find(name))]
    assert len(killed) == len(names)
    for _, child in killed:
        child.kill()
    for name, before in killed:
        wait_for(lambda: (after := running.find(name)) and before != after)  # noqa: B023
    wait_for(lambda: ask(running, "readyz") == 200)


def test_interrupt_stops_in_order_with_success(running: Running) -> None:
    family = running.family()
    assert running.end(signal.SIGINT) == 0
    assert not alive(family)
    assert "database system is shut down" in (running.data / "log" / "postgres.log").read_text()
    last_words = [
        (running.data / "log" / f"{name}.log").stat().st_mtime_ns for name in ("web", "worker", "valkey", "postgres")
    ]
    assert last_words == sorted(last_words)


def test_killed_supervisor_leaves_no_process(running: Running) -> None:
    again = start(running.data)
    family = again.family()
    assert len(family) > 8
    again.end(signal.SIGKILL)
    wait_for(lambda: not alive(family))
    without = [word for name in ("web", "worker", "relay") for word in ("--without", name)]
    after = up(running.data, *without, "--then", "purge status", "--exit", port=free_port())
    assert (after.returncode, after.stdout) == (0, "0 transfers are due.\n")  # and no READY: nothing answers there
    assert after.stderr.splitlines() == [
        "The last start did not end in order. Recovering the database...",
        "stopping",
    ]


def test_a_first_start_that_restored_nothing_binds_the_data_to_no_keys(tmp_path: Path) -> None:
    without = [word for name in ("web", "worker", "relay") for word in ("--without", name)]
    data = tmp_path / "data"
    failed = up(data, *without, "--then", f"restore {tmp_path / 'nowhere'}", "--exit", port=free_port())
    assert failed.returncode == 1
    (data / "keys").rename(tmp_path / "made-for-nothing")
    after = up(data, *without, "--then", "purge status", "--exit", port=free_port())
    assert (after.returncode, after.stdout) == (0, "0 transfers are due.\n")


def test_data_without_their_keys_are_refused(running: Running) -> None:
    (running.data / "keys").rename(running.data / "keys-elsewhere")
    refused = up(running.data, port=free_port())
    assert refused.returncode == 1
    assert "The keys that sealed the data" in refused.stderr
    assert not (running.data / "keys").exists()


def test_full_disk_is_refused(tmp_path: Path) -> None:
    refused = up(tmp_path / "data", port=free_port(), EXCHANGE_LEAVE_FREE_MB="999999999")
    assert refused.returncode == 1
    assert "MB free and 999999999 MB are needed" in refused.stderr


def test_then_runs_a_command_and_its_code_is_ours(tree: Supervisor) -> None:
    assert tree.run(Program(name="then", command=(sys.executable, "-c", "raise SystemExit(7)"))) == 7


def test_program_that_never_starts_fails_the_start(tree: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchange.supervisor.FIRST_PAUSE", 0.01)
    failing = Program(name="failing", command=(sys.executable, "-c", "1/0"), is_ready=lambda: False)
    with pytest.raises(StartError, match=r"failing does not start: .*failing\.log tells why"):
        tree.start(failing)
    assert "ZeroDivisionError" in (tree.log_dir / "failing.log").read_text()


def test_pauses_double_until_the_longest(tree: Supervisor) -> None:
    tree.start(Program(name="crashing", command=(sys.executable, "-I", "-S", "-c", "")))
    child = tree.children[0]
    pauses: list[float] = []
    while len(pauses) < 4:
        deaths = child.deaths
        child.due = 0.0
        wait_for(lambda: tree.tend() or child.deaths > deaths)  # type: ignore[func-returns-value]  # noqa: B023
        pauses.append(child.pause)
    assert pauses == pytest.approx([0.4, 0.8, 1.6, 3.2])


def test_stubborn_child_is_killed_after_its_time(tree: Supervisor, told: list[str]) -> None:
    log = tree.log_dir / "stubborn.log"
    stubborn = Program(
        name="stubborn",
        command=(sys.executable, "-I", "-S", "-c", STUBBORN),
        stop_seconds=0.2,
        is_ready=lambda: log.stat().st_size > 0,
    )
    tree.start(stubborn)
    tree.stop()
    assert told == ["stubborn did not stop in time and is killed"]


def test_what_a_child_started_ends_with_it(tree: Supervisor) -> None:
    tree.start(Program(name="parent", command=(sys.executable, "-I", "-S", "-c", PARENT, *SLEEP)))
    parent = tree.children[0].process
    assert parent
    wait_for(lambda: psutil.Process(parent.pid).children())
    family = psutil.Process(parent.pid).children()
    tree.stop()
    wait_for(lambda: not alive(family))


def test_killed_keeper_is_replaced_and_knows_the_children(tree: Supervisor) -> None:
    tree.start(Program(name="sleeping", command=SLEEP))
    assert tree.watchman
    tree.watchman.kill()
    tree.watchman.wait()
    tree.tend()
    sleeping = tree.children[0].process
    assert sleeping and tree.watchman.stdin
    tree.watchman.stdin.close()  # what the keeper sees when the supervisor is killed
    assert sleeping.wait(timeout=10) == -signal.SIGKILL
    tree.children.clear()
    tree.watchman = None


def test_keeper_forgets_what_has_ended() -> None:
    assert keeper.follow(io.StringIO("+ 11 9\n+ 12 3\n- 11\n")) == {12: 3}


def test_lock_waits_for_the_children_of_a_killed_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "LAST_CHILDREN", 0.2)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    first = refusals.lock(tmp_path)
    (tmp_path / "lock").write_text(str(dead.pid))
    begun = time.monotonic()
    with pytest.raises(StartError, match="in use"):
        refusals.lock(tmp_path)
    assert time.monotonic() - begun > 0.2
    first.close()
    refusals.lock(tmp_path).close()


def test_free_port_passes() -> None:
    refusals.check_port("127.0.0.1", free_port())


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def tree(tmp_path: Path, told: list[str]) -> Iterator[Supervisor]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with (
        refusals.lock(tmp_path) as lock,
        Supervisor(log_dir=tmp_path / "log", lock=lock, report=told.append, folder=tmp_path) as supervisor,
    ):
        yield supervisor
    for number, handler in handlers.items():
        signal.signal(number, handler)


def start(data: Path) -> Running:
    port = free_port()
    log = data.with_name("up.log")
    with log.open("w") as told:
        process = subprocess.Popen(
            command(),
            env=environment(data, port),
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
            stdin=subprocess.DEVNULL,
        )
    assert process.stdout
    assert process.stdout.readline() == f"READY http://localhost:{port}\n"
    wait_for(lambda: "Ctrl-C stops it" in log.read_text())
    return Running(process=process, data=data, port=port, log=log)


def up(data: Path, *options: str, port: int, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command(), *options],
        env=environment(data, port) | more,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def command() -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), "up"]


def environment(data: Path, port: int) -> dict[str, str]:
    ours = {"EXCHANGE_DATA_DIR": str(data), "EXCHANGE_PORT": str(port), "DJANGO_SETTINGS_MODULE": "exchange.settings"}
    return {name: os.environ[name] for name in ("PATH", "XDG_RUNTIME_DIR")} | ours


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(running: Running, path: str) -> int:
    """The status of an answer, 0 for none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/{path}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def alive(family: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def wait_for(fact: Callable[[], object], *, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.05)
