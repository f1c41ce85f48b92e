"""What the demo needs of a hospital's side: a study, a plain HTTP client, and eyes for what remains in the exchange."""

import hashlib
import io
import json
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import pydicom
import pydicom.data
from django.conf import settings

TIMEOUT: Final = 60.0
PAUSE: Final = 0.1
# Part of pydicom's wheel, so that nothing is downloaded: a CT of two series, and one of a single series.
FIRST_STUDY: Final = "98892001"
SECOND_STUDY: Final = "77654033/CT2"
_BOUNDARY: Final = "next-instance"


class Failed(Exception):
    """A step did not hold; the message is a sentence for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Study:
    """Part 10 files of one study, as they lie on a disk."""

    study_instance_uid: str
    files: tuple[bytes, ...] = field(repr=False)

    @property
    def size(self) -> int:
        return sum(len(file) for file in self.files)

    @property
    def digests(self) -> list[str]:
        return sorted(digest(file) for file in self.files)

    def as_multipart(self) -> tuple[str, bytes]:
        """Content-Type and body of a STOW-RS request (PS3.18 Section 10.5.2)."""
        opening = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = b"".join(opening + file + b"\r\n" for file in self.files) + f"--{_BOUNDARY}--\r\n".encode()
        return f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}', body


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Message  # looks names up whatever their case
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:  # Any: JSON
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Hospital:
    """One site with one key, speaking plain HTTP."""

    name: str
    base_url: str
    key: str = field(repr=False)

    def get(self, path: str, *, accept: str = "*/*", expect: int = 200) -> Response:
        return self.ask("GET", path, headers={"Accept": accept}, expect=expect)

    def post(self, path: str, values: Mapping[str, Any] | None = None, *, expect: int = 200) -> Response:  # Any: JSON
        body = json.dumps(values or {}).encode()
        return self.ask("POST", path, body=body, headers={"Content-Type": "application/json"}, expect=expect)

    def push(self, path: str, study: Study) -> Response:
        content_type, body = study.as_multipart()
        return self.ask("POST", path, body=body, headers={"Content-Type": content_type}, expect=200)

    def ask(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str], expect: int
    ) -> Response:
        """One request; raises Failed where the answer is not the expected one."""
        url = f"{self.base_url}{path}"
        sent = {"Authorization": f"Bearer {self.key}", **headers}
        request = urllib.request.Request(url, data=body, headers=sent, method=method)  # noqa: S310 - our own address
        try:
            with _OPENER.open(request, timeout=TIMEOUT) as answer:
                response = Response(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            response = Response(error.code, error.headers, error.read())
        except OSError as error:
            raise Failed(f"{self.base_url} does not answer ({error}).") from error
        if response.status != expect:
            raise Failed(f"{method} {path} was answered {response.status} instead of {expect}: {_reason(response)}")
        return response


# A proxy of the environment is for the world outside, not for this machine.
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def load_study(name: str) -> Study:
    """The files of a study that pydicom ships for its own tests."""
    folder = Path(pydicom.data.__file__).parent / "test_files" / "dicomdirtests" / name
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    if not paths:
        raise Failed(f"pydicom ships no files in {folder}.")
    ds = pydicom.dcmread(paths[0], stop_before_pixels=True, specific_tags=["StudyInstanceUID"])
    return Study(str(ds.StudyInstanceUID), tuple(path.read_bytes() for path in paths))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def parts_of(response: Response) -> list[bytes]:
    """The bodies of a multipart answer, read without the exchange's own reader (RFC 2046 Section 5.1.1)."""
    _, _, parameter = response.headers["Content-Type"].partition("boundary=")
    boundary = parameter.split(";")[0].strip().strip('"').encode()
    preamble, *rest = (b"\r\n" + response.body).split(b"\r\n--" + boundary)
    if preamble.strip() or not rest or not rest[-1].startswith(b"--"):
        raise Failed("the multipart answer does not end with its closing delimiter.")
    return [part.partition(b"\r\n\r\n")[2] for part in rest[:-1]]


def files_of(archive: bytes) -> list[bytes]:
    """What a ZIP holds, each file checked against its CRC."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        if damaged := opened.testzip():
            raise Failed(f"{damaged} in the ZIP is damaged.")
        return [opened.read(name) for name in opened.namelist()]


def find_mail(reference: str) -> EmailMessage | None:
    """The mail that names a transfer, where mail is written into files."""
    for path in sorted(Path(settings.EMAIL_FILE_PATH).glob("*.eml")) if settings.EMAIL_FILE_PATH else []:
        text = path.read_bytes()
        if reference.encode() in text:
            return message_from_bytes(text, policy=policy.default)
    return None


def stored_objects(names: list[str]) -> list[Path]:
    """Which of these objects lie in the storage, where that is a folder."""
    parts = urlsplit(settings.STORAGE_URL)
    if parts.scheme != "file":
        return []
    return [path for name in names for path in Path(unquote(parts.path)).rglob(f"{name}*")]


def wait_for(what: str, found: Iterator[Any], *, seconds: float = TIMEOUT) -> Any:  # Any: whatever is waited for
    """The first true value of an endless iterator; raises Failed after some time."""
    end = monotonic() + seconds
    for value in found:
        if value:
            return value
        if monotonic() > end:
            break
        sleep(PAUSE)
    raise Failed(f"{what} did not come within {seconds:.0f} s.")


def _reason(response: Response) -> str:
    try:
        return str(response.json["detail"])
    except (ValueError, KeyError, TypeError):
        return response.body[:200].decode(errors="replace")
