"""Retrieve Capabilities: what is described is what there is, route by route and type by type."""

import io
import itertools
import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pydicom
import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pydicom.encaps import encapsulate

from exchange.dicomweb import negotiation
from exchange.dicomweb.guard import ByMethod
from tests import factories, sealing
from tests.exchange.dicomweb.conftest import Reply, Sent, Site
from tests.exchange.dicomweb.pictures import send
from transfers import searching
from transfers.formats import mediatypes
from transfers.searching import Level

XML, JSON = "application/vnd.sun.wadl+xml", "application/json"
NS = "{http://wadl.dev.java.net/2009/02}"
NAMES = {
    "study": "StudyInstance",
    "series": "SeriesInstance",
    "instance": "SOPInstance",
    "numbers": "framelist",
    "transaction": "transactionUID",
}
Node = dict[str, Any]  # Any: JSON
TRANSFER = "6f1d1c1e-0000-4000-8000-000000000000"
OF_FRAMES = ("{framelist}", "/pixeldata")
ROOTS = ["/dicomweb", f"/dicomweb/transfers/{TRANSFER}", "/dicomweb/to/general-hospital"]


def options(site: Site, path: str, accept: str = "*/*", **headers: str) -> Reply:
    sent = {"Authorization": site.authorization, "Accept": accept, **headers}
    return Reply.of(Client().options(path, headers=sent))


def described(site: Site, path: str) -> Node:
    (resources,) = json.loads(options(site, path, JSON).body)["application"]["resources"]
    assert isinstance(resources, dict)
    return resources


def walk(node: Node, prefix: str = "") -> Iterator[tuple[str, Node]]:
    """Every method of a description with the path of its resource."""
    for resource in node.get("resource", []):
        path = f"{prefix}{resource['path']}"
        yield from ((path, method) for method in resource.get("method", []))
        yield from walk(resource, f"{path}/")


def gives(method: Node) -> list[str]:
    return [one["mediaType"] for one in method["response"][0]["representation"]]


def names_of(method: Node, style: str = "query") -> list[str]:
    return [param["name"] for param in method["request"][0].get("param", []) if param["style"] == style]


def routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[tuple[str, set[str]]]:
    """What the URLs offer, found without the code that describes them."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern.callback, ByMethod) and pattern.name not in ("nowhere", "root", "commitment"):
            yield route, set(pattern.callback.handlers) - {"OPTIONS"}


def route_of(path: str) -> str:
    for ours, theirs in NAMES.items():
        path = path.replace(f"{{{theirs}}}", f"<str:{ours}>")
    kinds = {"{path}": "<path:path>", "{transfer_id}": "<uuid:transfer_id>", "{address}": "<str:address>"}
    for template, route in kinds.items():
        path = path.replace(template, route)
    return path


# As a document


@pytest.mark.parametrize("root", ROOTS)
def test_root_is_described_in_wadl(bob: Site, root: str) -> None:
    reply = options(bob, f"{root}/")
    assert (reply.status, reply.headers["Content-Type"]) == (200, XML)
    application = ET.fromstring(reply.body)
    (resources,) = application
    assert application.tag == f"{NS}application"
    assert resources.get("base") == f"{settings.PUBLIC_URL}{root}/"
    assert "OPTIONS" in reply.headers["Allow"]


def test_json_says_the_same(bob: Site) -> None:
    def tree(element: ET.Element) -> Node:
        members: Node = dict(element.attrib)
        for child in element:
            members.setdefault(child.tag.removeprefix(NS), []).append(tree(child))
        return members

    reply = options(bob, "/dicomweb/", JSON)
    assert reply.headers["Content-Type"] == JSON
    said = json.loads(reply.body)["application"]
    assert said["resources"] == tree(ET.fromstring(options(bob, "/dicomweb/", XML).body))["resources"]


def test_other_types_are_not_acceptable(bob: Site) -> None:
    assert options(bob, "/dicomweb/", "text/html").status == 406
    assert options(bob, "/dicomweb/", f"text/html, {JSON};q=0.5").headers["Content-Type"] == JSON


def test_identifiers_are_unique(bob: Site) -> None:
    idents = [method["id"] for _, method in walk(described(bob, "/dicomweb/"))]
    assert len(idents) == len(set(idents))


def test_it_is_for_callers(bob: Site) -> None:
    assert Reply.of(Client().options("/dicomweb/")).status == 401
    assert Reply.of(Client().options("/dicomweb/studies", headers={"Authorization": "Bearer wsk_1_2"})).status == 401


def test_key_that_only_stores_may_ask(db: None) -> None:
    organization = factories.make_organization()
    site = Site(organization, sealing.caller(organization, "store")[1])
    assert options(site, "/dicomweb/").status == 200


def test_foreign_transfer_is_described_like_none(charlie: Site, sent: Sent) -> None:
    there, nowhere = (options(charlie, f"/dicomweb/transfers/{one}/", JSON) for one in (sent.transfer.pk, TRANSFER))
    assert there.body.replace(str(sent.transfer.pk).encode(), TRANSFER.encode()) == nowhere.body


def test_resource_is_described_with_what_lies_below(bob: Site) -> None:
    paths = {path for path, _ in walk(described(bob, "/dicomweb/studies/1.2/series"))}
    below = "studies/{StudyInstance}/series"
    assert paths == {path for path, _ in walk(described(bob, "/dicomweb/")) if f"{path}/".startswith(f"{below}/")}
    assert below in paths and f"{below}/{{SeriesInstance}}/metadata" in paths


def test_resource_says_its_methods_to_whoever_wants_no_description(bob: Site) -> None:
    reply = options(bob, "/dicomweb/studies", "application/dicom+json")
    assert (reply.status, reply.body, reply.headers["Allow"]) == (204, b"", "GET, HEAD, OPTIONS, POST")


# As the truth


def test_every_route_is_described_and_nothing_else(bob: Site) -> None:
    said: dict[str, set[str]] = {}
    for path, method in walk(described(bob, "/dicomweb/")):
        said.setdefault(f"dicomweb/{route_of(path)}", set()).add(method["name"])
    offered = dict(routes(get_resolver().url_patterns))
    offered = {route: methods for route, methods in offered.items() if route.startswith("dicomweb/")}
    assert said == offered


def test_root_of_a_transfer_describes_what_lies_below_it(bob: Site) -> None:
    whole = {path.removeprefix("transfers/{transfer_id}/") for path, _ in walk(described(bob, "/dicomweb/"))}
    assert {path for path, _ in walk(described(bob, f"/dicomweb/transfers/{TRANSFER}/"))} <= whole
    to = {path for path, _ in walk(described(bob, "/dicomweb/to/general-hospital/")) if path.startswith("studies")}
    assert to == {"studies", "studies/{StudyInstance}"}


def frame_of(media_type: str) -> bytes:
    """An instance whose frame is stored in a media type; given as stored, it need not be decoded."""
    syntax = next(syntax for syntax, name in negotiation.MEDIA_TYPES.items() if name == media_type)
    ds = pydicom.dcmread(io.BytesIO(factories.make_ct(pixels=b"")))
    ds.add_new("PixelData", "OB", encapsulate([bytes([0xFF, 0xD8, *range(50)])]))
    ds["PixelData"].is_undefined_length = True
    known = syntax.replace("4.110", "4.100")  # pydicom does not know JPEG XL, and writes what it knows
    return factories.part10_file(ds, transfer_syntax_uid=known).replace(known.encode(), syntax.encode())


class Places:
    """An instance for each media type, sent to Bob."""

    def __init__(self, alice: Site, bob: Site) -> None:
        pdf = factories.make_ct(
            pixels=b"",
            SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1",
            Rows=None,
            MIMETypeOfEncapsulatedDocument="application/pdf",
            EncapsulatedDocument=b"%PDF-1.4 nothing " * 200,
        )
        stored = sorted(set(negotiation.MEDIA_TYPES.values()))
        files = [factories.make_ct(), pdf, *map(frame_of, stored)]
        self.image, self.document, *frames = send(alice, bob, *files)
        self.frames = dict(zip(map(str.lower, stored), frames, strict=True))

    def url(self, template: str, media_type: str) -> str:
        parsed = mediatypes.parse_media_type(media_type)
        essence = parsed.params.get("type", parsed.essence)
        path = self.image
        if template.endswith("/rendered") and essence in ("text/html", "text/plain", "application/pdf"):
            path = self.document
        if template.endswith(OF_FRAMES):
            path = self.frames.get(essence.lower(), self.image)
        _, _, _, study, _, series, _, instance = path.split("/")
        filled = template.format(
            StudyInstance=study, SeriesInstance=series, SOPInstance=instance, framelist="1", path="7FE00010"
        )
        return f"/dicomweb/{filled}"


@pytest.fixture
def places(alice: Site, bob: Site) -> Places:
    return Places(alice, bob)


def reading(site: Site) -> list[tuple[str, Node]]:
    return [
        (path, method)
        for path, method in walk(described(site, "/dicomweb/"))
        if method["name"] == "GET" and path.startswith(("studies", "series", "instances"))
    ]


def given(reply: Reply) -> str:
    """The media type of an answer, without what differs from one to the next."""
    parsed = mediatypes.parse_media_type(reply.headers["Content-Type"])
    root = parsed.params.get("type", "")
    return f'{parsed.essence}; type="{root}"' if root else parsed.essence


def test_every_type_that_is_described_is_given(bob: Site, places: Places) -> None:
    wrong = []
    for path, method in reading(bob):
        for media_type in gives(method):
            accept = f"{media_type}; transfer-syntax=*" if path.endswith(OF_FRAMES) else media_type
            reply = bob.get(places.url(path, media_type), accept=accept)
            if reply.status != 200 or given(reply).lower() != media_type.lower():
                wrong.append((path, media_type, reply.status))
    assert wrong == []


def test_no_type_is_given_that_is_not_described(bob: Site, places: Places) -> None:
    every = set(itertools.chain.from_iterable(gives(method) for _, method in reading(bob)))
    every |= {'multipart/related; type="application/dicom+xml"', "application/dicom+xml", "image/tiff", "text/xml"}
    wrong = []
    for path, method in reading(bob):
        refused = sorted(every - set(gives(method)))
        statuses = [(one, bob.get(places.url(path, one), accept=one).status) for one in refused]
        wrong += [(path, one, status) for one, status in statuses if status != 406]
    assert wrong == []


def test_default_is_the_first_that_is_described(bob: Site, places: Places) -> None:
    wrong = []
    for path, method in reading(bob):
        first = next(param for param in method["request"][0]["param"] if param["name"] == "Accept")["default"]
        if given(bob.get(places.url(path, first))) != first or first != gives(method)[0]:
            wrong.append(path)
    assert wrong == []


def test_every_key_that_is_described_may_be_searched_by_and_no_other(bob: Site, places: Places) -> None:
    every = {name for pair in searching.matching_keys(list(Level)) for name in pair}
    searches = [(path, method) for path, method in reading(bob) if method["id"].startswith("SearchFor")]
    assert len(searches) == 6
    wrong = []
    for path, method in searches:
        said = set(names_of(method))
        for name in every:
            status = bob.get(f"{places.url(path, JSON)}?{name}=").status
            if status != (200 if name in said else 400):
                wrong.append((path, name, status))
    assert wrong == []


@pytest.mark.parametrize("name", ["limit", "offset", "fuzzymatching", "emptyvaluematching", "multiplevaluematching"])
def test_every_other_parameter_of_a_search_is_read(bob: Site, sent: Sent, name: str) -> None:
    assert all(name in names_of(method) for _, method in reading(bob) if method["id"].startswith("SearchFor"))
    assert bob.get(f"/dicomweb/studies?{name}=nonsense").status == 400


def test_every_field_that_is_described_may_be_included(bob: Site, places: Places) -> None:
    for path, method in reading(bob):
        fields = [param for param in method["request"][0]["param"] if param["name"] == "includefield"]
        for option in [one["value"] for param in fields for one in param["option"]]:
            assert bob.get(f"{places.url(path, JSON)}?includefield={option}").status == 200, (path, option)


BAD = {"annotation": "x", "quality": "x", "viewport": "x", "window": "x", "iccprofile": "x", "charset": "x"}


def test_every_parameter_of_a_picture_is_read(bob: Site, places: Places) -> None:
    """What is read is refused where it makes no sense; a parameter that nobody reads would be let pass."""
    wrong = []
    for path, method in reading(bob):
        for name in set(names_of(method)) & set(BAD):
            media_type = "text/html" if name == "charset" else "image/jpeg"
            accept = "*/*" if name == "charset" else 'image/jpeg, multipart/related; type="image/jpeg"'
            if bob.get(f"{places.url(path, media_type)}?{name}={BAD[name]}", accept=accept).status != 400:
                wrong.append((path, name))
    assert wrong == []


def test_every_type_that_is_taken_is_read_and_no_other(alice: Site, db: None) -> None:
    stores = [
        (path, method) for path, method in walk(described(alice, "/dicomweb/")) if method["id"].startswith("Store")
    ]
    assert len(stores) == 6
    for path, method in stores:
        if "{" in path.removesuffix("/{StudyInstance}"):
            continue
        url = f"/dicomweb/{path.format(StudyInstance='1.2')}"
        taken = [one["mediaType"] for one in method["request"][0]["representation"]]
        assert {push(alice, url, media_type) for media_type in taken} <= {400, 409}
        assert push(alice, url, 'multipart/related; type="image/jpeg"; boundary=b') == 415


def push(site: Site, url: str, media_type: str) -> int:
    body = b"--b\r\n\r\nnothing\r\n--b--\r\n"
    media_type += "; boundary=b" if media_type.startswith("multipart/") else ""
    headers = {"Authorization": site.authorization}
    return Client().post(url, body, content_type=media_type, headers=headers).status_code
