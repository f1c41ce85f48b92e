"""The same application behind both servers that carry it."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.test import override_settings

from exchange.management.commands import up
from tests.contract.wire import Server
from tests.faults import tree as trees
from tests.faults.tree import ROOT, Tree

SERVERS = ("granian", "gunicorn")


@pytest.fixture(scope="session")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """Everything but the web server."""
    tree = trees.start(tmp_path_factory.mktemp("contract") / "data", without=["web"])
    try:
        trees.seed(tree)
        yield tree
    finally:
        tree.stop()


@pytest.fixture(scope="session", params=SERVERS)
def server(request: pytest.FixtureRequest, behind: Tree) -> Iterator[Server]:
    with serve(behind, request.param) as running:
        yield running


class serve:
    """A web server on the data of a tree, for as long as a block runs."""

    def __init__(self, behind: Tree, name: str, *, application: str = "exchange.wsgi:application") -> None:
        self._behind = behind
        port = trees.free_port()
        log = behind.data / "log" / f"{name}-{port}.log"
        environment = behind.environment | {"EXCHANGE_PORT": str(port)}
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                (*_command(name, port), application),
                cwd=ROOT,
                env=environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self._server = Server(name, port, behind, pid=self._process.pid, log=log)

    def __enter__(self) -> Server:
        trees.wait_for(self._server.is_ready, what=f"{self._server.name} answering ({self._server.log})")
        return self._server

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _command(name: str, port: int) -> tuple[str, ...]:
    if name == "granian":
        with override_settings(EXCHANGE_PORT=port):
            return up.web()[:-1]
    options = ("--worker-class=gthread", "--workers=2", "--threads=16", "--timeout=120", "--graceful-timeout=5")
    return (sys.executable, "-m", "gunicorn", f"--bind=127.0.0.1:{port}", *options)
