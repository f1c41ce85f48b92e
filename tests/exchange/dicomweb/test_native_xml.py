"""Metadata and matches in XML: the same as in JSON, by the same caller, below the same root."""

import json
from xml.etree import ElementTree

import pytest
from django.conf import settings

from tests import sealing
from tests.exchange.dicomweb.conftest import Reply, Sent, Site
from tests.transfers.formats.test_nativexml import expected, read
from transfers.models import PullRecord, Transfer
from transfers.retrieving import metadata

XML = 'multipart/related; type="application/dicom+xml"'
JSON = "application/dicom+json"


def models(reply: Reply) -> list[dict[str, object]]:
    assert reply.status == 200
    assert all(headers["content-type"] == "application/dicom+xml" for headers, _ in reply.parts())
    return [read(ElementTree.fromstring(document)) for document in reply.files()]


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_metadata_say_the_same_as_in_json(bob: Site, sent: Sent, level: str) -> None:
    path = {
        "study": f"/dicomweb/studies/{sent.study}/metadata",
        "series": f"/dicomweb/studies/{sent.study}/series/{sent.series[0]}/metadata",
        "instance": f"{sent.instance_path}/metadata",
    }[level]
    in_json = json.loads(bob.get(path, accept=JSON).body)
    assert models(bob.get(path, accept=XML)) == [expected(one) for one in in_json]


def test_each_part_names_its_instance(bob: Site, sent: Sent) -> None:
    reply = bob.get(f"{sent.instance_path}/metadata", accept=XML)
    ((headers, _),) = reply.parts()
    assert headers["content-location"] == f"{settings.PUBLIC_URL}{sent.instance_path}/metadata"


def test_bulk_data_is_named_below_the_root_that_was_asked(alice: Site, sent: Sent) -> None:
    root = f"/dicomweb/transfers/{sent.transfer.pk}"
    reply = alice.get(f"{root}/studies/{sent.study}/metadata", accept=XML)
    assert reply.body.count(f'<BulkData uri="{settings.PUBLIC_URL}{root}/studies/'.encode()) == 3


def test_a_large_study_is_streamed_in_pieces_of_the_same_bytes(
    bob: Site, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/dicomweb/studies/{sent.study}/metadata"
    at_once = bob.get(path, accept=XML)
    monkeypatch.setattr(metadata, "AT_ONCE", 1)
    streamed = bob.get(path, accept=XML)
    assert "Content-Length" in at_once.headers and "Content-Length" not in streamed.headers
    assert streamed.body == at_once.body and streamed.headers["ETag"] == at_once.headers["ETag"]


def test_it_counts_as_viewed(bob: Site, sent: Sent) -> None:
    bob.get(f"/dicomweb/studies/{sent.study}/metadata", accept=XML)
    assert set(PullRecord.objects.values_list("kind", flat=True)) == {"viewed"}


def test_head_has_no_body_and_records_nothing(bob: Site, sent: Sent) -> None:
    reply = bob.head(f"/dicomweb/studies/{sent.study}/metadata?accept={XML.replace(' ', '%20')}")
    assert reply.status == 200 and not reply.body and not PullRecord.objects.exists()


def test_unchanged_is_304(bob: Site, sent: Sent) -> None:
    path = f"/dicomweb/studies/{sent.study}/metadata"
    tag = bob.get(path, accept=XML).headers["ETag"]
    assert bob.get(path, accept=XML, **{"If-None-Match": tag}).status == 304
    assert bob.get(path, accept=JSON, **{"If-None-Match": tag}).status == 200


def test_stranger_sees_nothing(charlie: Site, sent: Sent) -> None:
    assert charlie.get(f"/dicomweb/studies/{sent.study}/metadata", accept=XML).status == 404


def test_expired_is_gone(bob: Site, sent: Sent) -> None:
    sealing.lapse(Transfer.objects.get())
    assert bob.get(f"/dicomweb/studies/{sent.study}/metadata", accept=XML).status == 410


@pytest.mark.parametrize(
    "path", ["studies", "series", "instances", "studies/{study}/series", "studies/{study}/instances"]
)
def test_matches_say_the_same_as_in_json(bob: Site, sent: Sent, path: str) -> None:
    url = f"/dicomweb/{path.format(study=sent.study)}"
    in_json = json.loads(bob.get(url, accept=JSON).body)
    reply = bob.get(url, accept=XML)
    assert models(reply) == [expected(one) for one in in_json]
    assert not any("content-location" in headers for headers, _ in reply.parts())


def test_no_match_is_204(bob: Site, sent: Sent) -> None:
    assert bob.get("/dicomweb/studies?PatientID=nobody", accept=XML).status == 204


def test_single_part_is_not_offered(bob: Site, sent: Sent) -> None:
    assert bob.get(f"{sent.instance_path}/metadata", accept="application/dicom+xml").status == 406
