"""Alice's hospital sends, Bob's receives, Charlie's has no part in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Organization
from accounts.principals import Scope
from tests import factories, sealing
from transfers.formats import mediatypes, multipart
from transfers.models import Transfer


@dataclass(frozen=True)
class Reply:
    """An answer read to its end, as a server does it."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, response: HttpResponseBase) -> "Reply":
        chunks = response.streaming_content if response.streaming else [response.content]  # type: ignore[attr-defined]
        return cls(response.status_code, response.headers, b"".join(chunks))

    def parts(self) -> Iterator[tuple[dict[str, str], bytes]]:
        boundary = mediatypes.parse_media_type(self.headers["Content-Type"]).params["boundary"]
        for part in multipart.iter_parts(iter([self.body]), boundary=boundary.encode()):
            yield dict(part.headers), b"".join(bytes(chunk) for chunk in part.chunks)

    def files(self) -> list[bytes]:
        return [content for _, content in self.parts()]


@dataclass(frozen=True)
class Site:
    organization: Organization
    authorization: str

    def get(self, path: str, *, accept: str = "*/*", **headers: str) -> Reply:
        sent = {"Authorization": self.authorization, "Accept": accept, **headers}
        return Reply.of(Client().get(path, headers=sent))

    def head(self, path: str, *, accept: str = "*/*") -> Reply:
        return Reply.of(Client().head(path, headers={"Authorization": self.authorization, "Accept": accept}))


@dataclass(frozen=True)
class Sent:
    """A study of two series with three instances, sent from Alice to Bob."""

    transfer: Transfer
    files: list[bytes]
    study: str
    series: list[str]
    instances: list[str]

    @property
    def instance_path(self) -> str:
        return f"/dicomweb/studies/{self.study}/series/{self.series[0]}/instances/{self.instances[0]}"


def site(*scopes: Scope) -> Site:
    organization = factories.make_organization()
    return Site(organization, sealing.caller(organization, *scopes)[1])


@pytest.fixture
def alice(db: None) -> Site:
    return site("store", "read")


@pytest.fixture
def bob(db: None) -> Site:
    return site("read")


@pytest.fixture
def charlie(db: None) -> Site:
    return site("store", "read", "manage")


@pytest.fixture
def sent(alice: Site, bob: Site) -> Sent:
    study, series = factories.make_uid(), [factories.make_uid(), factories.make_uid()]
    instances = [factories.make_uid() for _ in range(3)]
    files = [
        factories.make_ct(
            StudyInstanceUID=study,
            SeriesInstanceUID=series[number // 2],
            SOPInstanceUID=uid,
            InstanceNumber=number + 1,
            pixels=bytes([number]) * 512,
        )
        for number, uid in enumerate(instances)
    ]
    transfer = sealing.send(files, sender=alice.organization, to=[bob.organization])
    return Sent(transfer, files, study, series, instances)
