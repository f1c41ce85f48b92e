"""DICOMweb behind a link: after its second factor, for what its one transfer holds, counted like any pull."""

import json
import re

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from exchange import passes
from exchange.portal import links
from tests import factories, sealing
from tests.actors import Cast, make_cast
from tests.exchange.dicomweb.conftest import Reply
from tests.exchange.portal.linking import Link, make_link
from transfers import expiring
from transfers.models import Delivery, Grant, Instance, Lease, PullRecord, Transfer
from transfers.rules.lifecycle import Access

PATHS = [
    *("", "studies", "series", "instances", "nonsense", "studies/{study}", "studies/{study}/metadata"),
    *("studies/{study}/series", "studies/{study}/rendered", "studies/{study}/series/{series}/instances/{instance}"),
    "studies/{study}/series/{series}/instances/{instance}/frames/1",
]


@pytest.fixture
def cast(db: None) -> Cast:
    links.LOOKUPS.clear()
    return make_cast()


@pytest.fixture
def link(cast: Cast) -> Link:
    return opened(make_link(cast))


def opened(link: Link) -> Link:
    assert link.open().status_code == 303
    return link


def get(link: Link, path: str, accept: str = "*/*", **headers: str) -> Reply:
    url = f"{link.inside}dicomweb/{filled(link, path)}"
    return Reply.of(link.browser.get(url, headers={"Accept": accept, **headers}))


def filled(link: Link, path: str) -> str:
    one = Instance.objects.select_related("study", "series").filter(transfer=link.transfer).get()
    return path.format(
        study=one.study.study_instance_uid, series=one.series.series_instance_uid, instance=one.sop_instance_uid
    )


INSTANCE = "studies/{study}/series/{series}/instances/{instance}"


def test_what_was_sent_is_found_and_given(link: Link) -> None:
    (match,) = json.loads(get(link, "studies").body)
    base = f"{settings.PUBLIC_URL}{link.inside}dicomweb"
    assert match["00081190"]["Value"] == [f"{base}/{filled(link, 'studies/{study}')}"]
    (file,) = get(link, "studies/{study}", "multipart/related; type=application/dicom; transfer-syntax=*").files()
    assert len(file) == Instance.objects.get(transfer=link.transfer).size
    ((headers, _),) = get(link, INSTANCE).parts()
    assert headers["content-location"] == f"{base}/{filled(link, INSTANCE)}"


def test_bulk_data_are_under_the_same_root(link: Link) -> None:
    (record,) = json.loads(get(link, f"{INSTANCE}/metadata").body)
    address = record["7FE00010"]["BulkDataURI"]
    assert address.startswith(f"{settings.PUBLIC_URL}{link.inside}dicomweb/studies/")
    reply = Reply.of(link.browser.get(address.removeprefix(settings.PUBLIC_URL)))
    assert (reply.status, reply.files()) == (200, [bytes(512)])


@pytest.mark.parametrize("path", ["{study}/rendered", "{study}/thumbnail", "{study}/metadata", "{study}/series"])
def test_it_is_read_like_any_other_root(link: Link, path: str) -> None:
    assert get(link, f"studies/{path}").status == 200


def test_what_is_pulled_is_recorded_under_the_link(link: Link) -> None:
    get(link, "studies/{study}")
    record = PullRecord.objects.get()
    assert (record.principal, record.kind, record.road) == (f"link:{link.grant.pk}", "pulled", "dicomweb")
    assert record.delivery_id == link.grant.delivery_id


# Without the factor


@pytest.mark.parametrize("path", PATHS)
def test_without_the_factor_it_is_like_a_link_that_never_was(cast: Cast, path: str) -> None:
    link = make_link(cast)
    there = get(link, path)
    nowhere = Reply.of(Client().get(f"/g/999999999/dicomweb/{filled(link, path)}"))
    assert there.status == 401
    assert (there.status, there.body, dict(there.headers)) == (nowhere.status, nowhere.body, dict(nowhere.headers))
    assert b"PIN" in there.body


def test_no_other_credential_opens_it(cast: Cast) -> None:
    link = make_link(cast)
    sender, recipient = cast.st_elsewhere, cast.general_hospital
    for organization in (sender, recipient):
        assert get(link, "studies", Authorization=sealing.caller(organization, "read")[1]).status == 401
    assert Reply.of(cast.alice.client.get(f"{link.inside}dicomweb/studies")).status == 401


def test_a_pass_for_another_link_opens_nothing(cast: Cast, link: Link) -> None:
    other = make_link(cast)
    other.browser.cookies = link.browser.cookies
    other.browser.cookies["grant"]["path"] = "/"
    assert get(other, "studies").status == 401


def test_a_link_opens_no_other_root(link: Link) -> None:
    link.browser.cookies["grant"]["path"] = "/"
    for path in ("/dicomweb/studies", f"/dicomweb/transfers/{link.transfer.pk}/studies", "/wado?requestType=WADO"):
        assert Reply.of(link.browser.get(path)).status == 401


def test_a_wrong_number_opens_nothing(cast: Cast) -> None:
    link = make_link(cast)
    assert link.open("11111111").status_code == 403
    assert get(link, "studies").status == 401


def test_a_pass_grows_old(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "LONGEST", -1)
    assert get(link, "studies").status == 401


def test_reading_renews_the_pass(link: Link) -> None:
    response = link.browser.get(f"{link.inside}dicomweb/studies")
    assert response.cookies["grant"]["path"] == link.inside
    assert response.cookies["grant"]["max-age"] == passes.IDLE


def test_a_deleted_grant_is_like_one_that_never_was(link: Link) -> None:
    Grant.objects.filter(pk=link.grant.pk).delete()
    assert get(link, "studies").status == 401


# What is not behind it


def test_other_studies_are_not_found(cast: Cast, link: Link) -> None:
    """Not even those of the same sender, to the same reader's other link."""
    other = make_link(cast, [factories.make_ct()])
    absent = factories.make_uid()
    foreign, nowhere = (get(link, f"studies/{uid}") for uid in (filled(other, "{study}"), absent))
    assert foreign.status == 404
    assert (foreign.body, dict(foreign.headers)) == (nowhere.body, dict(nowhere.headers))
    assert get(link, f"studies?StudyInstanceUID={filled(other, '{study}')}").status == 204
    assert get(link, "nonsense").status == 404


def test_nothing_is_stored_there(link: Link) -> None:
    reply = Reply.of(link.browser.post(f"{link.inside}dicomweb/studies", b"x", content_type="application/dicom"))
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert Reply.of(Client().post(f"{link.inside}dicomweb/studies", b"x", content_type="text/plain")).status == 401


def test_what_is_offered_is_described(link: Link) -> None:
    described = Reply.of(link.browser.options(f"{link.inside}dicomweb/", headers={"Accept": "application/json"}))
    methods = set(re.findall(rb'"name":"([A-Z]+)"', described.body))
    assert (described.status, methods) == (200, {b"GET"})
    (resources,) = json.loads(described.body)["application"]["resources"]
    assert resources["base"] == f"{settings.PUBLIC_URL}{link.inside}dicomweb/"
    assert Reply.of(Client().options(f"{link.inside}dicomweb/")).status == 401


def test_no_script_of_another_site_reads_it(cast: Cast, link: Link) -> None:
    origin = "https://viewer.example.org"
    type(cast.st_elsewhere).objects.update(allowed_origins=[origin])
    assert "Access-Control-Allow-Origin" not in get(link, "studies", Origin=origin).headers
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    reply = Reply.of(Client().options(f"{link.inside}dicomweb/studies", headers=asked))
    assert (reply.status, "Access-Control-Allow-Origin" in reply.headers) == (401, False)


# When it is over


@pytest.mark.parametrize("path", PATHS[1:4] + PATHS[5:])
def test_revoked_is_gone(link: Link, path: str) -> None:
    Grant.objects.filter(pk=link.grant.pk).update(revoked_at=timezone.now())
    assert get(link, path).status == 410


def test_revoked_delivery_is_gone(link: Link) -> None:
    Delivery.objects.filter(pk=link.grant.delivery_id).update(access=Access.REVOKED)
    assert get(link, "studies").status == 410


def test_lapsed_is_gone(link: Link) -> None:
    sealing.lapse(link.transfer)
    assert (get(link, "studies").status, get(link, INSTANCE).status) == (410, 410)


def test_withdrawn_is_gone(cast: Cast, link: Link) -> None:
    address = f"{link.inside}dicomweb/{filled(link, INSTANCE)}"
    expiring.withdraw(cast.alice.who, link.transfer.pk)
    assert Reply.of(link.browser.get(address)).status == 410
    assert not Transfer.objects.get(pk=link.transfer.pk).wrapped_key


# How often


def test_pulls_are_counted_and_looks_are_not(link: Link) -> None:
    for path in ("studies", "studies/{study}/metadata", f"{INSTANCE}/frames/1", "studies/{study}/rendered"):
        assert get(link, path).status == 200
    assert link.again().pulls_done == 0
    get(link, "studies/{study}")
    get(link, INSTANCE)
    assert (link.again().pulls_done, Lease.objects.count()) == (2, 0)


def test_no_more_pulls_than_the_sender_allowed_by_whatever_door(cast: Cast) -> None:
    link = opened(make_link(cast, max_pulls=1))
    assert get(link, "studies/{study}").status == 200
    for path in ("studies/{study}", INSTANCE, f"{INSTANCE}/frames/1", "studies/{study}/rendered", "studies"):
        reply = get(link, path)
        assert (reply.status, b"as often as its sender allowed" in reply.body) == (410, True), path
    assert link.browser.get(f"{link.inside}download/").status_code == 410


def test_a_running_pull_holds_its_place(cast: Cast) -> None:
    link = opened(make_link(cast, max_pulls=1))
    running = link.browser.get(f"{link.inside}dicomweb/{filled(link, 'studies/{study}')}")
    assert get(link, INSTANCE).status == 410
    assert get(link, "studies/{study}/metadata").status == 200  # what is running is not done
    assert link.browser.get(f"{link.inside}download/").status_code == 410
    running.getvalue()
    assert link.again().pulls_done == 1


def test_what_is_not_handed_over_counts_nothing(cast: Cast) -> None:
    link = opened(make_link(cast, max_pulls=1))
    url = f"{link.inside}dicomweb/{filled(link, 'studies/{study}')}"
    etag = link.browser.head(url)["ETag"]
    assert link.browser.get(url, headers={"If-None-Match": etag}).status_code == 304
    assert link.browser.get(url, headers={"Range": "bytes=999999-"}).status_code == 416
    assert get(link, "studies/{study}", Range="bytes=0-9").status == 206
    assert (link.again().pulls_done, Lease.objects.count()) == (0, 0)
    assert get(link, "studies/{study}", Range="bytes=10-").status == 206
    assert link.again().pulls_done == 1
