"""The running exchange as one process tree, to be pushed at, stopped, killed and looked into."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psutil
import psycopg

from exchange import embedded
from exchange.management.commands.seed_demo import SeededSite
from tests import waiting

ROOT: Final = Path(__file__).resolve().parents[2]
MANAGE: Final = (sys.executable, str(ROOT / "manage.py"))
START_SECONDS: Final = 180.0
# What of the surroundings reaches the exchange: none of the settings of the tests.
KEPT: Final = ("PATH", "XDG_RUNTIME_DIR", "LD_LIBRARY_PATH")


@dataclass
class Tree:
    """A start of `manage.py up` on one data folder."""

    process: subprocess.Popen[bytes]
    data: Path
    port: int
    environment: dict[str, str]
    sites: dict[str, SeededSite] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def mail(self) -> Path:
        """The folder that mails go to."""
        return Path(urlsplit(self.environment.get("EMAIL_URL", "")).path or self.data / "mail")

    @property
    def log(self) -> str:
        """What the supervisor said."""
        return (self.data.parent / f"{self.data.name}.up").read_text(errors="replace")

    def manage(self, *words: str, text: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a management command beside it."""
        done = subprocess.run(
            [*MANAGE, *words],
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert not check or not done.returncode, done.stdout + done.stderr
        return done

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:  # Any: column values
        """Ask the database, past the exchange; a change is committed."""
        with psycopg.connect(embedded.Postgres(self.data).url, autocommit=True, connect_timeout=10) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def find(self, word: str) -> psutil.Process | None:
        """The program of the tree, not one of its own children, whose command line holds the word."""
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(self.process.pid).children()
            return next((child for child in children if word in command_line(child)), None)
        return None

    def children_of(self, word: str) -> list[psutil.Process]:
        """The processes that a program has started itself: its workers."""
        program = self.find(word)
        with contextlib.suppress(psutil.Error):
            return list(program.children()) if program else []
        return []

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.base_url}/readyz", timeout=10) as answer:
            return bool(answer.status == 200)
        return False

    def family(self) -> list[psutil.Process]:
        """Every process of it, the supervisor first."""
        supervisor = psutil.Process(self.process.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=120)


def start(
    data: Path,
    *,
    without: Sequence[str] = (),
    prefix: Sequence[str] = (),
    port: int = 0,
    settings: Mapping[str, str] | None = None,
) -> Tree:
    """Start the tree and wait until it is ready."""
    port = port or free_port()
    environment = environment_of(data, port) | dict(settings or {})
    options = [word for name in without for word in ("--without", name)]
    with (data.parent / f"{data.name}.up").open("ab") as log:
        process = subprocess.Popen(
            [*prefix, *MANAGE, "up", *options],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    tree = Tree(process, data, port, environment)
    if "web" in without:
        waiting.until(lambda: "Running without web." in tree.log, seconds=120)
        return tree
    assert process.stdout
    assert select.select([process.stdout], [], [], START_SECONDS)[0], tree.log
    line = process.stdout.readline().decode()
    assert line.startswith("READY"), tree.log
    return tree


def seed(tree: Tree, *, quiet_seconds: int = 2) -> None:
    """Give it sites that trust each other, and little patience for what may still come."""
    sites = json.loads(tree.manage("seed_demo", "--json").stdout)["organizations"]
    tree.sites = {name: SeededSite(**site) for name, site in sites.items()}
    tree.rows(
        "UPDATE accounts_organization SET quiet_stow_seconds = %s, quiet_cut_seconds = %s", quiet_seconds, quiet_seconds
    )


def environment_of(data: Path, port: int) -> dict[str, str]:
    ours = {
        "EXCHANGE_DATA_DIR": str(data),
        "EXCHANGE_PORT": str(port),
        "EXCHANGE_SWEEP_SECONDS": "1",
        "EXCHANGE_LEAVE_FREE_MB": "1",
        "DJANGO_SETTINGS_MODULE": "exchange.settings",
    }
    return {name: os.environ[name] for name in KEPT if name in os.environ} | ours


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def wait_for(fact: Callable[[], object], *, seconds: float = 120.0, what: str = "it") -> None:
    """Return as soon as it is so."""
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, f"{what} never came about"
        time.sleep(0.1)
