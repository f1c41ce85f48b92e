"""What is measured: our whole product as `manage.py up` starts it, and beside it Debian's Orthanc as yardstick.

Orthanc runs as installed (it syncs each file), without authentication and unencrypted; ours authenticates,
hashes, seals and audits.
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@dataclass(frozen=True, slots=True)
class Server:
    """A DICOMweb server: where it stores, where it gives back, and with which key."""

    name: str
    port: int
    pid: int
    store: str
    root: str
    store_headers: dict[str, str] = field(default_factory=dict)
    read_headers: dict[str, str] = field(default_factory=dict)
    memory_of: str = ""
    location: set[str] = field(default_factory=set)  # of the transfers that were pushed last

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


@contextmanager
def waystation(folder: Path) -> Iterator[Server]:
    """Our product on a free port with the demo's organisations."""
    port = _free_port()
    # Not the settings of a test session: they name a data folder of their own.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("EXCHANGE_", "DJANGO_"))}
    env |= {"EXCHANGE_DATA_DIR": str(folder / "waystation"), "EXCHANGE_PORT": str(port)}
    command = [sys.executable, "manage.py", "up"]
    with _running(command, cwd=ROOT, env=env, port=port, path="/healthz") as process:
        seeded = subprocess.run(
            [sys.executable, "manage.py", "seed_demo", "--json"], cwd=ROOT, env=env, capture_output=True, check=True
        )
        keys = json.loads(seeded.stdout)["organizations"]
        yield Server(
            name="Waystation",
            port=port,
            pid=process.pid,
            store="/dicomweb/to/general-hospital/studies",
            root="/dicomweb",
            store_headers={"Authorization": f"Bearer {keys['st-elsewhere']['store_key']}"},
            read_headers={"Authorization": f"Bearer {keys['general-hospital']['read_key']}"},
            memory_of="granian",
        )


@contextmanager
def orthanc(folder: Path) -> Iterator[Server | None]:
    """Orthanc with its DICOMweb plugin, None where it is not installed."""
    program = shutil.which("Orthanc")
    if program is None or not _PLUGIN.exists():
        yield None
        return
    port, storage = _free_port(), folder / "orthanc"
    storage.mkdir()
    configuration = {
        "StorageDirectory": str(storage),
        "IndexDirectory": str(storage),
        "Plugins": [str(_PLUGIN)],
        "HttpPort": port,
        "DicomPort": _free_port(),
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    file = folder / "orthanc.json"
    file.write_text(json.dumps(configuration))
    with _running([program, str(file)], cwd=folder, env=dict(os.environ), port=port, path="/system") as process:
        yield Server("Orthanc", port, process.pid, store="/dicom-web/studies", root="/dicom-web")


@contextmanager
def _running(
    command: list[str], *, cwd: Path, env: dict[str, str], port: int, path: str
) -> Iterator[subprocess.Popen[bytes]]:
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=cwd, env=env, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        _wait(port, path)
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _wait(port: int, path: str) -> None:
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"nothing answers on port {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
