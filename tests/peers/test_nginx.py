"""The proxy of docker/nginx.conf in front of the exchange: what goes through it stays what it is."""

import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from tests.faults import tree
from tests.peers import exchanging
from tests.peers.conftest import program
from tests.peers.corpus import Original
from tests.peers.exchanging import Shipment

pytestmark = [pytest.mark.peers, pytest.mark.needs("nginx", "openssl", "curl", "dcmdump")]
_LOGS: Final[dict[str, Path]] = {}
CONFIGURATION = Path(__file__).resolve().parents[2] / "docker" / "nginx.conf"


@pytest.fixture(scope="module")
def proxied(running: tree.Tree, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an nginx with that configuration, save for places, names and what an older nginx calls
    differently (`http2 on`)."""
    folder = tmp_path_factory.mktemp("nginx")
    port = tree.free_port()
    key, certificate = folder / "privkey.pem", folder / "fullchain.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], capture_output=True, check=True)
    text = CONFIGURATION.read_text()
    for found, put in (
        (r"server web(-bulk)?:8000;", f"server 127.0.0.1:{running.port};"),
        (r"listen 8080;", f"listen 127.0.0.1:{tree.free_port()};"),
        (r"listen 8443 ssl;", f"listen 127.0.0.1:{port} ssl http2;"),
        (r"http2 on;", ""),
        (r"/etc/nginx/tls/", f"{folder}/"),
        (r"pid [^;]*;", f"pid {folder}/pid; daemon off;"),
        (r"error_log [^;]*;", f"error_log {folder}/error.log warn;"),
        (r"access_log /dev/stdout", f"access_log {folder}/access.log"),
    ):
        text, count = re.subn(found, put, text)
        assert count, f"{found} is no longer in {CONFIGURATION}"
    (folder / "nginx.conf").write_text(text)
    _LOGS[f"https://127.0.0.1:{port}"] = folder / "access.log"
    command = [program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert not tested.returncode, tested.stderr
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        tree.wait_for(lambda: (folder / "pid").exists(), what="nginx")
        yield f"https://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture
def proxied_log(proxied: str) -> Path:
    return _LOGS[proxied]


def test_a_chunked_push_and_its_pull_go_through(
    running: tree.Tree, proxied: str, shipments: list[Shipment], tmp_path: Path
) -> None:
    group = max((shipment.stored for shipment in shipments), key=len)
    transfer_id = exchanging.draft(running, "county-clinic")
    body = exchanging.multipart([original.path for original in group], tmp_path / "body")
    url = f"{proxied}/dicomweb/transfers/{transfer_id}/studies"
    headers = [f"Content-Type: {exchanging.MULTIPART}".replace("\\", ""), "Transfer-Encoding: chunked"]
    stored = _curl(url, key=exchanging.sender(running), headers=headers, body=body)
    assert stored.count(b'"00081155"') == len(group)
    exchanging.send(running, [transfer_id])
    url = f"{proxied}/dicomweb/transfers/{transfer_id}/studies/{group[0].study}"
    headers = [f"Accept: {exchanging.AS_STORED}"]
    pulled = _curl(url, key=running.sites["county-clinic"].read_key, headers=headers)
    assert all(_holds(pulled, original) for original in group)


@pytest.mark.parametrize(
    ("method", "path", "pool"),
    [
        ("POST", "/dicomweb/to/county-clinic/studies", "bulk"),
        ("GET", "/dicomweb/studies/1.2", "bulk"),
        ("GET", "/dicomweb/transfers/x/studies/1.2/series/1.3/instances/1.4", "bulk"),
        ("GET", "/dicomweb/studies/1.2/series/1.3/instances/1.4/frames/1", "bulk"),
        ("GET", "/dicomweb/studies/1.2/rendered", "bulk"),
        ("GET", "/dicomweb/studies/1.2/series/1.3/instances/1.4/rendered?viewport=512,512", "bulk"),
        ("GET", "/dicomweb/studies/1.2/series/1.3/instances/1.4/frames/1/rendered", "bulk"),
        ("GET", "/dicomweb/studies/1.2/series/1.3/instances/1.4/bulkdata/7FE00010", "bulk"),
        ("GET", "/wado?requestType=WADO&studyUID=1.2", "bulk"),
        ("GET", "/g/7/dicomweb/studies/1.2/series/1.3", "bulk"),
        ("GET", "/g/7/download/", "bulk"),
        ("GET", "/dicomweb/studies?PatientID=1", "small"),
        ("GET", "/dicomweb/studies/1.2/metadata", "small"),
        ("GET", "/dicomweb/studies/1.2/series/1.3/instances/1.4/thumbnail", "small"),
        ("GET", "/dicomweb/studies/1.2/series", "small"),
        ("GET", "/api/transfers/", "small"),
        ("GET", "/", "small"),
    ],
)
def test_what_takes_long_has_a_pool_of_its_own(
    proxied: str, proxied_log: Path, method: str, path: str, pool: str
) -> None:
    before = len(proxied_log.read_text().splitlines())
    _speak(proxied, f"{method} {path} HTTP/1.1", "Content-Length: 0")
    tree.wait_for(lambda: len(proxied_log.read_text().splitlines()) > before, what="the line in the log")
    line = proxied_log.read_text().splitlines()[-1]
    assert line.endswith(f" {pool}")
    assert "1.2" not in line and "?" not in line


@pytest.mark.parametrize("order", [1, -1], ids=["length first", "chunked first"])
def test_two_lengths_are_refused(proxied: str, order: int) -> None:
    """RFC 9112 Section 6.1."""
    framing = ["Content-Length: 5", "Transfer-Encoding: chunked"][::order]
    answer = _speak(proxied, "POST /oauth/token HTTP/1.1", *framing, body=b"0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


def _speak(address: str, *lines: str, body: bytes = b"") -> bytes:
    """What an nginx says to a request by hand, until it closes."""
    parts = urlsplit(address)
    context = ssl._create_unverified_context()
    with (
        socket.create_connection((parts.hostname, parts.port), timeout=60) as line,
        context.wrap_socket(line) as secured,
    ):
        secured.sendall("\r\n".join([*lines, "Host: localhost", "Connection: close", "", ""]).encode() + body)
        return b"".join(iter(lambda: secured.recv(65536), b""))


def _holds(answer: bytes, original: Original) -> bool:
    return original.path.read_bytes() in answer


def _curl(url: str, *, key: str, headers: list[str], body: Path | None = None) -> bytes:
    command = ["curl", "--silent", "--show-error", "--fail", "--insecure", "--http1.1", url]
    for header in [f"Authorization: Bearer {key}", "Host: localhost", *headers]:
        command += ["--header", header]
    if body:
        command += ["--request", "POST", "--upload-file", str(body)]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert not done.returncode, done.stderr
    return done.stdout
