"""The running exchange as its peers see it: addresses, keys, and a push by curl of files as they lie."""

import hashlib
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any, Final

from tests.faults import tree
from tests.peers.corpus import Original

AS_STORED: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'
BOUNDARY: Final = "a-boundary-of-the-peers"
MULTIPART: Final = f'multipart/related; type=\\"application/dicom\\"; boundary={BOUNDARY}'  # as a config of curl has it
UNDER_WAY: Final = ("receiving", "validating")


@dataclass(frozen=True)
class Verdict:
    """What the exchange said of one file: a Failure Reason and a sentence, or 0."""

    original: Original
    reason: int
    sentence: str


@dataclass(frozen=True)
class Shipment:
    """What was pushed as one transfer."""

    transfer_id: str
    recipient: str
    verdicts: list[Verdict] = field(repr=False)

    @property
    def stored(self) -> list[Original]:
        return [verdict.original for verdict in self.verdicts if not verdict.reason]

    @property
    def study(self) -> str:
        return self.stored[0].study


@dataclass(frozen=True)
class Push:
    """One request to be made by curl."""

    transfer_id: str
    body: Path
    content_type: str
    is_chunked: bool = False


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:  # Any: JSON
        return json.loads(self.body)


def ask(running: tree.Tree, path: str, *, key: str, accept: str = "*/*", values: Any = None) -> Answer:  # Any: JSON
    """One plain request, of whatever outcome."""
    url = path if path.startswith("http") else running.base_url + path
    headers = {"Authorization": f"Bearer {key}", "Accept": accept, "Content-Type": "application/json"}
    body = None if values is None else json.dumps(values).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers), timeout=120) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


def draft(running: tree.Tree, recipient: str) -> str:
    """A new transfer, not to be mixed with any other."""
    values = {"recipients": [recipient], "purpose": "treatment"}
    answer = ask(running, "/api/transfers/", key=sender(running), values=values)
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


def send(running: tree.Tree, transfer_ids: Iterable[str]) -> None:
    """Say that these are complete, and wait until each has been validated."""
    waiting = list(transfer_ids)
    for transfer_id in waiting:
        answer = ask(running, f"/api/transfers/{transfer_id}/send/", key=sender(running), values={})
        assert answer.status == 200, answer.body
    tree.wait_for(lambda: _settled(running, waiting), seconds=300, what="validation")


def state(running: tree.Tree, transfer_id: str) -> str:
    return str(ask(running, f"/api/transfers/{transfer_id}/", key=sender(running)).json["state"])


def sender(running: tree.Tree) -> str:
    return running.sites["st-elsewhere"].store_key


def reader(running: tree.Tree, recipient: str = "general-hospital") -> str:
    return running.sites[recipient].read_key


def multipart(files: Sequence[Path], body: Path) -> Path:
    """Write the body of a Store request (PS3.18 Section 10.5.2)."""
    with body.open("wb") as out:
        for file in files:
            out.write(f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode())
            out.write(file.read_bytes() + b"\r\n")
        out.write(f"--{BOUNDARY}--\r\n".encode())
    return body


def parts(answer: Answer) -> list[bytes]:
    """The bodies of a multipart answer, read without the reader of the exchange (RFC 2046 Section 5.1.1)."""
    boundary = answer.headers.get_boundary("").encode()
    assert boundary and answer.headers.get_content_type() == "multipart/related"
    first, *rest = (b"\r\n" + answer.body).split(b"\r\n--" + boundary)
    assert not first.strip() and rest and rest[-1].startswith(b"--"), "the closing delimiter is missing"
    return [part.partition(b"\r\n\r\n")[2] for part in rest[:-1]]


def pull(running: tree.Tree, shipment: Shipment) -> Answer:
    """What the sender, who sees held transfers too, gets back of its own study."""
    path = f"/dicomweb/transfers/{shipment.transfer_id}/studies/{shipment.study}"
    answer = ask(running, path, key=reader(running, "st-elsewhere"), accept=AS_STORED)
    assert answer.status == 200, answer.body
    return answer


def keep(answer: Answer, folder: Path) -> dict[str, Path]:
    """Write down the parts of an answer, by their SHA-256."""
    folder.mkdir()
    found = {}
    for number, file in enumerate(parts(answer)):
        sha256 = digest(file)
        found[sha256] = folder / f"{number}.dcm"
        found[sha256].write_bytes(file)
    return found


def digest(file: bytes) -> str:
    return hashlib.sha256(file).hexdigest()


def curl(running: tree.Tree, pushes: Sequence[Push], folder: Path) -> list[Answer]:
    """Make the requests by one curl, in their order, over as few connections as it likes."""
    config = folder / "curl"
    config.write_text("next\n".join(_request(running, push, folder / f"answer{n}") for n, push in enumerate(pushes)))
    done = subprocess.run(["curl", "--config", config], capture_output=True, text=True, timeout=600, check=True)
    statuses = [int(line) for line in done.stdout.split()]
    assert len(statuses) == len(pushes), done.stderr
    return [
        Answer(status, Message(), (folder / f"answer{number}").read_bytes()) for number, status in enumerate(statuses)
    ]


def verdicts(originals: Sequence[Original], answer: Answer) -> list[Verdict]:
    """What a Store response says of each file (PS3.18 Section 10.5.3.2)."""
    module = answer.json
    named = {item["00081155"]["Value"][0]: item for item in _items(module, "00081198")}
    nameless = _items(module, "0008119A")
    stored = {item["00081155"]["Value"][0] for item in _items(module, "00081199")}
    found = []
    for original in originals:
        failed = named.get(original.sop_instance) or (None if original.sop_instance in stored else nameless.pop())
        found.append(Verdict(original, *_reason(failed)) if failed else Verdict(original, 0, ""))
    assert not nameless and len(stored) == sum(not verdict.reason for verdict in found)
    failures = len(found) - len(stored)
    assert answer.status == (200 if not failures else 202 if stored else 409), answer.status
    return found


def _request(running: tree.Tree, push: Push, answer: Path) -> str:
    lines = [
        f'url = "{running.base_url}/dicomweb/transfers/{push.transfer_id}/studies"',
        "request = POST",
        "silent\nshow-error",
        f'header = "Authorization: Bearer {sender(running)}"',
        f'header = "Content-Type: {push.content_type}"',
        f'output = "{answer}"',
        'write-out = "%{http_code}\\n"',
        "max-time = 120",
    ]
    if push.is_chunked:
        lines += [f'upload-file = "{push.body}"', 'header = "Transfer-Encoding: chunked"']
    else:
        lines += [f'data-binary = "@{push.body}"']
    return "\n".join(lines) + "\n"


def _items(module: Any, tag: str) -> list[Any]:  # Any: DICOM JSON
    return list(module.get(tag, {}).get("Value", []))


def _reason(item: Any) -> tuple[int, str]:  # Any: DICOM JSON
    return item["00081197"]["Value"][0], item.get("00000902", {}).get("Value", [""])[0]


def _settled(running: tree.Tree, waiting: list[str]) -> bool:
    """Take off the list what is settled; the first one that is not stands for the rest."""
    while waiting:
        if state(running, waiting[-1]) in UNDER_WAY:
            return False
        waiting.pop()
    return True
