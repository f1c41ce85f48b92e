"""Which scripts of other sites may read answers, and how little a browser learns that asks beforehand."""

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from accounts.models import Membership, Organization, User
from tests import factories, sealing
from tests.exchange.dicomweb.conftest import Reply, Sent, Site
from tests.exchange.dicomweb.pictures import ramp, send
from tests.exchange.dicomweb.test_wado_uri import url

VIEWER, OTHER = "https://viewer.example.org", "https://other.example.org"
ALLOW = "Access-Control-Allow-Origin"


def preflight(path: str, origin: str = VIEWER, **headers: str) -> Reply:
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET", **headers}
    return Reply.of(Client().options(path, headers=asked))


def listing(site: Site, *origins: str) -> None:
    Organization.objects.filter(pk=site.organization.pk).update(allowed_origins=list(origins))


@pytest.fixture(autouse=True)
def bobs_viewer(bob: Site) -> None:
    listing(bob, VIEWER)


# Beforehand


@pytest.mark.parametrize("path", ["/dicomweb/studies", "/dicomweb/studies/1.2/metadata", "/wado", "/dicomweb/x"])
def test_browser_is_answered_without_a_credential(path: str) -> None:
    reply = preflight(path, **{"Access-Control-Request-Headers": "authorization"})
    assert (reply.status, reply.body, reply.headers[ALLOW]) == (204, b"", VIEWER)
    assert "GET" in reply.headers["Access-Control-Allow-Methods"]
    allowed = reply.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "accept", "content-type", "range"} <= set(allowed)
    assert "Access-Control-Allow-Credentials" not in reply.headers
    assert "Origin" in reply.headers["Vary"]


def test_methods_are_those_of_the_resource() -> None:
    assert preflight("/dicomweb/studies").headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS, POST"
    assert preflight("/wado").headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("origin", [OTHER, "null", "", "*", f"{VIEWER}.evil.example", f"{VIEWER}/", VIEWER.upper()])
def test_origin_that_nobody_lists_is_told_nothing(origin: str) -> None:
    reply = preflight("/dicomweb/studies", origin)
    assert (reply.status, reply.body) == (204, b"")
    assert not [name for name in reply.headers if name.startswith("Access-Control-")]


def test_preflight_is_the_same_whatever_is_there(bob: Site, sent: Sent) -> None:
    there, nowhere = (preflight(f"/dicomweb/studies/{study}") for study in (sent.study, factories.make_uid()))
    assert (there.status, there.body, dict(there.headers)) == (nowhere.status, nowhere.body, dict(nowhere.headers))
    assert dict(preflight(f"/dicomweb/transfers/{sent.transfer.pk}/studies").headers) == dict(
        preflight("/dicomweb/transfers/6f1d1c1e-0000-4000-8000-000000000000/studies").headers
    )


def test_closed_organisation_lists_nothing(bob: Site) -> None:
    Organization.objects.filter(pk=bob.organization.pk).update(is_active=False)
    assert ALLOW not in preflight("/dicomweb/studies").headers


def test_options_without_an_origin_is_no_preflight(bob: Site) -> None:
    assert Reply.of(Client().options("/dicomweb/", headers={"Access-Control-Request-Method": "GET"})).status == 401
    assert Reply.of(Client().options("/dicomweb/", headers={"Origin": VIEWER})).status == 401
    headers = {"Authorization": bob.authorization, "Origin": VIEWER}
    assert Reply.of(Client().options("/dicomweb/", headers=headers)).headers[ALLOW] == VIEWER


# Afterwards


def test_page_of_the_organisation_may_read(bob: Site, sent: Sent) -> None:
    reply = bob.get(f"/dicomweb/studies/{sent.study}/metadata", Origin=VIEWER)
    assert (reply.status, reply.headers[ALLOW]) == (200, VIEWER)
    exposed = set(reply.headers["Access-Control-Expose-Headers"].split(", "))
    assert {"Content-Location", "Location", "Warning", "ETag", "Content-Range", "Retry-After"} <= exposed
    assert "Origin" in reply.headers["Vary"] and "Authorization" in reply.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in reply.headers


def test_page_of_the_organisation_may_read_pictures(alice: Site, bob: Site) -> None:
    (path,) = send(alice, bob, ramp())
    assert bob.get(url(path), Origin=VIEWER).headers[ALLOW] == VIEWER
    assert bob.get(url(path, "&contentType=application/dicom"), Origin=OTHER).headers.get(ALLOW) is None


def test_streams_and_ranges_may_be_read(bob: Site, sent: Sent) -> None:
    reply = bob.get(f"/dicomweb/studies/{sent.study}", Origin=VIEWER, Range="bytes=0-9")
    assert (reply.status, len(reply.body), reply.headers[ALLOW]) == (206, 10, VIEWER)


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("/dicomweb/studies/1.2.3", "*/*", 404),
        ("/dicomweb/studies?limit=x", "*/*", 400),
        ("/dicomweb/studies/{study}", "text/html", 406),
        ("/dicomweb/nonsense", "*/*", 404),
        ("/wado?requestType=x", "*/*", 400),
    ],
)
def test_errors_may_be_read_too(bob: Site, sent: Sent, path: str, accept: str, status: int) -> None:
    path = path.format(study=sent.study)
    assert (reply := bob.get(path, accept=accept, Origin=VIEWER)).status == status
    assert reply.headers[ALLOW] == VIEWER
    assert ALLOW not in bob.get(path, accept=accept, Origin=OTHER).headers


def test_what_is_over_and_what_is_forbidden_may_be_read(bob: Site, sent: Sent) -> None:
    sealing.lapse(sent.transfer)
    assert bob.get(f"/dicomweb/studies/{sent.study}", Origin=VIEWER).headers[ALLOW] == VIEWER
    headers = {"Authorization": bob.authorization, "Origin": VIEWER}
    reply = Reply.of(Client().delete("/dicomweb/studies/1.2", headers=headers))
    assert (reply.status, reply.headers[ALLOW]) == (405, VIEWER)
    reply = Reply.of(Client().post("/dicomweb/studies", b"x", content_type="text/plain", headers=headers))
    assert (reply.status, reply.headers[ALLOW]) == (403, VIEWER)


def test_page_of_another_organisation_may_not(alice: Site, bob: Site, sent: Sent) -> None:
    """That somebody lists an origin lets it ask; what it reads is up to the organisation whose key it has."""
    listing(alice, OTHER)
    assert ALLOW in preflight("/dicomweb/studies", OTHER).headers
    reply = bob.get(f"/dicomweb/studies/{sent.study}", Origin=OTHER)
    assert (reply.status, ALLOW in reply.headers) == (200, False)
    assert not [name for name in reply.headers if name.startswith("Access-Control-")]
    assert "Origin" in reply.headers["Vary"]


def test_without_a_credential_nothing_may_be_read() -> None:
    for authorization in ("", "Bearer wsk_1_2", "Basic YTpi"):
        headers = {"Origin": VIEWER, **({"Authorization": authorization} if authorization else {})}
        reply = Reply.of(Client().get("/dicomweb/studies", headers=headers))
        assert (reply.status, ALLOW in reply.headers) == (401, False)


def test_session_never_counts(bob: Site, sent: Sent) -> None:
    user = User.objects.create_user("bob@example.org", "secret")
    Membership.objects.create(user=user, organization=bob.organization, may_receive=True)
    client = Client()
    client.force_login(user)
    reply = Reply.of(client.get(f"/dicomweb/studies/{sent.study}", headers={"Origin": VIEWER}))
    assert (reply.status, ALLOW in reply.headers) == (200, False)


def test_without_an_origin_nothing_is_said(bob: Site, sent: Sent) -> None:
    reply = bob.get(f"/dicomweb/studies/{sent.study}")
    assert ALLOW not in reply.headers
    assert "Origin" in reply.headers["Vary"]


def test_other_doors_have_no_part_in_it(bob: Site) -> None:
    assert ALLOW not in bob.get("/api/transfers/", Origin=VIEWER).headers
    assert ALLOW not in preflight("/api/transfers/").headers


# What may be listed


@pytest.mark.parametrize(
    "origin",
    [
        VIEWER,
        "https://localhost",
        "http://localhost:3000",
        "http://127.0.0.1:8080",
        "https://[::1]:8443",
        "https://a:8",
    ],
)
def test_origins_as_browsers_write_them(db: None, origin: str) -> None:
    Organization(name="A", address="a", allowed_origins=[origin]).full_clean()


@pytest.mark.parametrize(
    "origins",
    [
        *(["*"], ["null"], [""], [VIEWER + "/"], [VIEWER + ":443"], [VIEWER.upper()], ["http://viewer.example.org"]),
        *(["https://*.example.org"], ["https://a b"], [VIEWER + "/x"], ["https://u@h"], [1], VIEWER, {"a": 1}, [[]]),
        [VIEWER] * 51,
    ],
)
def test_what_is_no_origin_is_refused(db: None, origins: object) -> None:
    with pytest.raises(ValidationError, match=r"origin"):
        Organization(name="A", address="a", allowed_origins=origins).full_clean()
