"""Bodies of Store requests, as clients write them."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pydicom
from django.conf import settings
from django.test import Client
from pydicom.dataset import Dataset

from tests import factories
from tests.exchange.dicomweb.conftest import Reply, Site
from tests.transfers.receiving.test_receive import contents
from transfers.models import Instance

JSON: Final = "application/dicom+json"
OCTETS: Final = "application/octet-stream"
TO: Final = "/dicomweb/studies"
PIXELS: Final = bytes(range(256)) * 2  # of the image that ct() describes
MISSING, MALFORMED, UNSUPPORTED, WRONG_STUDY = 0xA922, 0xC000, 0xC122, 0xA901  # Failure Reasons
Members = dict[str, Any]  # Any: DICOM JSON


@dataclass(frozen=True)
class Part:
    content: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


def bulk(content: bytes, location: str, media_type: str = OCTETS, **headers: str) -> Part:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Part(content, {"Content-Type": media_type, "Content-Location": location, **named})


def metadata(*data_sets: Members) -> Part:
    return Part(json.dumps(data_sets).encode(), {"Content-Type": JSON})


def file(content: bytes) -> Part:
    return Part(content, {"Content-Type": "application/dicom"})


def body(parts: Sequence[Part], *, boundary: str = "next") -> bytes:
    pieces = []
    for part in parts:
        headers = "".join(f"{name}: {value}\r\n" for name, value in part.headers.items())
        pieces.append(f"--{boundary}\r\n{headers}\r\n".encode() + part.content + b"\r\n")
    return b"".join(pieces) + f"--{boundary}--\r\n".encode()


def post(
    site: Site, octets: bytes, *, content_type: str = "", path: str = TO, root: str = JSON, **headers: str
) -> Reply:
    content_type = content_type or f'multipart/related; type="{root}"; boundary=next'
    sent = {"Authorization": site.authorization, **headers}
    return Reply.of(Client().post(path, octets, content_type=content_type, headers=sent))


def store(site: Site, *parts: Part, path: str = TO, root: str = JSON, **headers: str) -> Reply:
    return post(site, body(parts), path=path, root=root, **headers)


def ct(pixels: str = "pixels", **attributes: Any) -> Members:  # Any: element values
    """A CT image of 512 octets in the DICOM JSON Model, its pixels under a URI."""
    ds = pydicom.dcmread(io.BytesIO(factories.make_ct(**attributes)))
    members: Members = ds.to_json_dict()
    members["7FE00010"] = {"vr": "OW", "BulkDataURI": pixels}
    return members


def uid(members: Members) -> str:
    return str(members["00080018"]["Value"][0])


def module(reply: Reply) -> Members:
    assert reply.headers["Content-Type"] == JSON
    members: Members = json.loads(reply.body)
    return members


def stored(reply: Reply) -> list[str]:
    return [item["00081155"]["Value"][0] for item in module(reply).get("00081199", {}).get("Value", [])]


def reasons(reply: Reply) -> list[int]:
    """Failure Reasons of named and of nameless instances."""
    said = module(reply)
    items = [item for tag in ("00081198", "0008119A") for item in said.get(tag, {}).get("Value", [])]
    return [item["00081197"]["Value"][0] for item in items]


def failed(reply: Reply) -> list[str]:
    return [item["00081155"]["Value"][0] for item in module(reply).get("00081198", {}).get("Value", [])]


def kept(sop_instance_uid: str) -> bytes:
    """The file that was stored."""
    return contents(Instance.objects.get(sop_instance_uid=sop_instance_uid))


def read(sop_instance_uid: str) -> Dataset:
    return pydicom.dcmread(io.BytesIO(kept(sop_instance_uid)))


def url(path: str = TO) -> str:
    return f"{settings.PUBLIC_URL}{path}"
