"""A search for studies whose keys come in the body: the same answer, and no identifier in a URL."""

import json
from urllib.parse import urlencode

import pytest
from django.test import Client

from tests.exchange.dicomweb.conftest import Reply, Sent, Site
from transfers.models import Instance

FORM = "application/x-www-form-urlencoded"


def search(who: Site, *, path: str = "/dicomweb/studies", body: str | bytes = "", **keys: str) -> Reply:
    headers = {"Authorization": who.authorization, "Accept": "application/dicom+json"}
    return Reply.of(Client().post(path, body or urlencode(keys) or " ", content_type=FORM, headers=headers))


@pytest.mark.parametrize(
    "keys", [{"PatientID": "P-1"}, {"PatientName": "doe*"}, {"00100020": "P-1", "includefield": "all"}, {"limit": "1"}]
)
def test_it_finds_what_a_query_finds(bob: Site, sent: Sent, keys: dict[str, str]) -> None:
    reply = search(bob, **keys)
    by_query = bob.get(f"/dicomweb/studies?{urlencode(keys)}", accept="application/dicom+json")
    assert (reply.status, json.loads(reply.body)) == (200, json.loads(by_query.body))


def test_one_transfer_can_be_searched(alice: Site, sent: Sent) -> None:
    reply = search(alice, path=f"/dicomweb/transfers/{sent.transfer.pk}/studies", PatientID="P-1")
    assert len(json.loads(reply.body)) == 1


def test_no_match_and_no_sight_are_alike(bob: Site, charlie: Site, sent: Sent) -> None:
    assert search(bob, PatientID="nobody").status == search(charlie, PatientID="P-1").status == 204


@pytest.mark.parametrize("body", ["Unknown=1", "PatientID=1&PatientID=2", "a=%ff", "limit=x"])
def test_what_is_no_query_is_refused(bob: Site, sent: Sent, body: str) -> None:
    assert search(bob, body=body).status == 400


def test_the_keys_have_a_limit(bob: Site, sent: Sent) -> None:
    assert search(bob, PatientID="x" * 70_000).status == 413


def test_only_a_key_may_post(bob: Site, sent: Sent) -> None:
    assert search(Site(bob.organization, ""), PatientID="P-1").status == 401


def test_a_form_stores_nothing_elsewhere(alice: Site, sent: Sent) -> None:
    before = Instance.objects.count()
    assert search(alice, path=f"/dicomweb/studies/{sent.study}", PatientID="P-1").status == 415
    assert Instance.objects.count() == before
