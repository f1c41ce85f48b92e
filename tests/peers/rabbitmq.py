"""Debian's RabbitMQ as a broker of its own: a node on loopback, with its data in a temporary folder."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.faults import tree

PROGRAMS: Final = Path("/usr/lib/rabbitmq/bin")  # those on the PATH insist on the system's own node


@dataclass
class RabbitMQ:
    folder: Path
    port: int
    environment: dict[str, str] = field(repr=False)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [PROGRAMS / "rabbitmq-server"], env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        tree.wait_for(self._is_running, what="RabbitMQ")

    def stop(self) -> None:
        if self.process is not None:
            self._control("stop", timeout=120)
            self.process.wait(timeout=120)
            self.process = None

    def queues(self) -> dict[str, str]:
        """Names and types."""
        listed = self._control("list_queues", "--silent", "name", "type").stdout
        return dict(line.split("\t") for line in listed.splitlines() if "\t" in line)

    def _is_running(self) -> bool:
        assert self.process is not None and self.process.poll() is None, (self.folder / "log").read_text()
        return not self._control("await_startup", "--timeout", "10").returncode

    def _control(self, *words: str, timeout: int = 60) -> subprocess.CompletedProcess[str]:
        command = [str(PROGRAMS / "rabbitmqctl"), *words]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False
        )


@contextmanager
def serving(folder: Path) -> Iterator[RabbitMQ]:
    """Serve until the block ends."""
    folder.mkdir()
    (folder / "plugins").write_text("[].\n")
    port, epmd_port = tree.free_port(), tree.free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),  # the cookie lies there
        "LANG": "C.UTF-8",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(epmd_port),
        "RABBITMQ_NODENAME": f"peers{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(tree.free_port()),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONFIG_FILE": str(folder / "none"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
    }
    broker = RabbitMQ(folder, port, environment)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
        subprocess.run([shutil.which("epmd") or "epmd", "-kill"], env=environment, capture_output=True, check=False)
