"""Debian's Orthanc with its DICOMweb plugin: a PACS that pushes and pulls."""

import hashlib
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.faults import tree

PLUGIN: Final = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@dataclass(frozen=True)
class Orthanc:
    url: str

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=120) as answer:
            return bytes(answer.read())

    def post(self, path: str, body: bytes | dict[str, Any]) -> Any:  # Any: JSON
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data=data, method="POST")
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.loads(answer.read() or b"null")

    def take(self, file: bytes) -> bool:
        """Import a file; false where Orthanc refuses it, or holds another of this SOP Instance UID."""
        try:
            return bool(self.post("/instances", file)["Status"] == "Success")
        except urllib.error.HTTPError:
            return False

    def names(self, level: str) -> list[str]:
        """Its own names of what it holds, at a level such as `studies`."""
        return list(json.loads(self.get(f"/{level}")))

    def digests(self) -> set[str]:
        return {hashlib.sha256(self.get(f"/instances/{name}/file")).hexdigest() for name in self.names("instances")}


@contextmanager
def serving(folder: Path, servers: dict[str, dict[str, Any]]) -> Iterator[Orthanc]:  # Any: JSON
    """An Orthanc that knows these DICOMweb servers, until the block ends."""
    folder.mkdir()
    port = tree.free_port()
    configuration = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [str(PLUGIN)],
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "Servers": servers},
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([_program(), folder / "orthanc.json"], stdout=log, stderr=log, cwd=folder)
    try:
        orthanc = Orthanc(f"http://127.0.0.1:{port}")
        tree.wait_for(lambda: _answers(orthanc, process, folder / "log"), what="Orthanc")
        yield orthanc
    finally:
        process.terminate()
        process.wait(timeout=60)


def server(url: str, key: str) -> dict[str, Any]:  # Any: JSON
    return {
        "Url": url,
        "HttpHeaders": {"Authorization": f"Bearer {key}"},
        "HasWadoRsUniversalTransferSyntax": True,
        "ChunkedTransfers": True,
    }


def _program() -> str:
    return next(str(place) for place in (Path("/usr/sbin/Orthanc"), Path("/usr/bin/Orthanc")) if place.exists())


def _answers(orthanc: Orthanc, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    assert process.poll() is None, log.read_text(errors="replace")
    try:
        return b"dicom-web" in orthanc.get("/plugins")
    except OSError:
        return False
