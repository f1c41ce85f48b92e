"""A hospital that pushes and keeps a journal of what was acknowledged: SOP Instance UID and SHA-256."""

import hashlib
import http.client
import json
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from tests import factories

BOUNDARY: Final = "next-instance"
MULTIPART: Final = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
TO: Final = "/dicomweb/to/general-hospital/studies"
TIMEOUT: Final = 120.0


@dataclass(frozen=True, slots=True)
class File:
    """One instance as it lies on the sender's disk."""

    study_instance_uid: str
    sop_instance_uid: str
    content: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0 where nothing did."""

    status: int
    module: dict[str, Any] = field(default_factory=dict)  # Any: DICOM JSON
    location: str = ""

    @property
    def stored(self) -> list[str]:
        """The SOP Instance UIDs of the Referenced SOP Sequence (PS3.18 Table 10.5.3-1)."""
        return _uids(self.module, "00081199")

    @property
    def reasons(self) -> set[int]:
        """The Failure Reasons."""
        items = [item for tag in ("00081198", "0008119A") for item in self.module.get(tag, {}).get("Value", [])]
        return {item["00081197"]["Value"][0] for item in items}

    @property
    def transfer(self) -> str:
        """The transfer that Location names."""
        return self.location.rpartition("/transfers/")[2].partition("/")[0]


@dataclass
class Journal:
    """What was acknowledged to this sender, by any of its threads."""

    digests: dict[str, str] = field(default_factory=dict)
    studies: dict[str, str] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, answer: Answer, files: Sequence[File]) -> None:
        sent = {file.sop_instance_uid: file for file in files}
        with self.lock:
            self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
            for uid in answer.stored:
                self.digests[uid] = sent[uid].sha256
                self.studies[uid] = sent[uid].study_instance_uid


def make_study(count: int, *, size: int = 20_000, patient: str = "", series: int = 1) -> list[File]:
    """A study nobody else has, of images with `size` bytes of pixels."""
    study = factories.make_uid()
    in_series = [factories.make_uid() for _ in range(series)]
    rows = max(1, size // 2048)
    return [
        make_file(
            study,
            series=in_series[number % series],
            number=number,
            rows=rows,
            patient=patient or f"P-{study[-12:]}",
        )
        for number in range(count)
    ]


def make_file(study: str, *, series: str, number: int, rows: int = 4, patient: str = "P-1") -> File:
    uid = factories.make_uid()
    pixels = hashlib.sha256(uid.encode()).digest() * (rows * 64)
    content = factories.make_ct(
        StudyInstanceUID=study,
        SeriesInstanceUID=series,
        SOPInstanceUID=uid,
        InstanceNumber=number + 1,
        PatientID=patient,
        Rows=rows,
        Columns=1024,
        pixels=pixels,
    )
    return File(study, uid, content)


def multipart(files: Sequence[File]) -> bytes:
    return b"".join(pieces(files))


def pieces(files: Sequence[File], *, closing: bool = True) -> Iterator[bytes]:
    """The body, one piece an instance."""
    for file in files:
        yield f"\r\n--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + file.content
    if closing:
        yield f"\r\n--{BOUNDARY}--\r\n".encode()


def push(
    base_url: str,
    key: str,
    files: Sequence[File],
    *,
    journal: Journal | None = None,
    path: str = TO,
    chunked: bool = False,
) -> Answer:
    """Push as one request; a connection that breaks is an answer of status 0."""
    address = urlsplit(base_url)
    client = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT)
    try:
        client.request(
            "POST",
            path,
            body=pieces(files) if chunked else multipart(files),
            headers={"Authorization": f"Bearer {key}", "Content-Type": MULTIPART},
            encode_chunked=chunked,
        )
        answer = read_answer(client.getresponse())
    except (OSError, http.client.HTTPException) as error:
        tell_if_unanswered(error, "push")
        answer = Answer(0)
    finally:
        client.close()
    if journal is not None:
        journal.note(answer, files)
    return answer


def tell_if_unanswered(error: Exception, what: str) -> None:
    """A connection that breaks is what a killed program does; one that stands still for minutes deserves a look."""
    if isinstance(error, TimeoutError):
        warnings.warn(f"A {what} got no answer within {TIMEOUT:.0f} seconds.", stacklevel=2)


def read_answer(response: http.client.HTTPResponse) -> Answer:
    body = response.read()
    is_store = response.headers.get("Content-Type", "").startswith("application/dicom+json")
    return Answer(response.status, json.loads(body) if is_store else {}, response.headers.get("Location", ""))


def _uids(module: dict[str, Any], tag: str) -> list[str]:  # Any: DICOM JSON
    return [item["00081155"]["Value"][0] for item in module.get(tag, {}).get("Value", [])]
