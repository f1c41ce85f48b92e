"""dicomweb-client, as its users have it, against a real server; and real files, byte for byte."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pydicom.data
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from django.test import override_settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import AuditEvent
from tests import factories, sealing, waiting
from tests.exchange.dicomweb.conftest import Sent, Site
from transfers import errors
from transfers.models import Instance, Transfer


def real_files() -> list[Path]:
    """The folder named by STUDIES, or the files that pydicom ships."""
    if folder := os.environ.get("STUDIES"):
        return sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return sorted((Path(pydicom.data.__file__).parent / "test_files").glob("*.dcm"))


@pytest.fixture
def client(transactional_db: None, live_server: LiveServer, sent: Sent, bob: Site) -> Iterator[DICOMwebClient]:
    with override_settings(PUBLIC_URL=live_server.url), requests.Session() as session:
        session.headers["Authorization"] = bob.authorization
        answered: list[str] = []
        session.hooks["response"].append(lambda response, **_: answered.append(response.url))
        yield DICOMwebClient(f"{live_server.url}/dicomweb", session=session)
        # Each answer is recorded once its last byte has left, which is after the client has it.
        waiting.until(lambda: AuditEvent.objects.filter(action__startswith="study.").count() == len(answered))


def test_studies_are_found_and_retrieved(client: DICOMwebClient, sent: Sent) -> None:
    (found,) = client.search_for_studies(search_filters={"PatientID": "P-1"})
    uid = found["0020000D"]["Value"][0]
    retrieved = client.retrieve_study(uid)
    assert {ds.SOPInstanceUID for ds in retrieved} == set(sent.instances)
    assert all(ds.PatientName == "Doe^Jane" for ds in retrieved)


def test_nothing_found_is_an_empty_list(client: DICOMwebClient) -> None:
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []


def test_series_and_instances_are_found(client: DICOMwebClient, sent: Sent) -> None:
    series = client.search_for_series(sent.study)
    instances = client.search_for_instances(sent.study, sent.series[0], get_remaining=True, limit=1)
    assert {one["0020000E"]["Value"][0] for one in series} == set(sent.series)
    assert [one["00080018"]["Value"][0] for one in instances] == sent.instances[:2]


def test_metadata_bulk_data_and_frames(client: DICOMwebClient, sent: Sent) -> None:
    names = (sent.study, sent.series[1], sent.instances[2])
    metadata = client.retrieve_instance_metadata(*names)
    assert client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"]) == [bytes([2]) * 512]
    assert client.retrieve_instance_frames(*names, frame_numbers=[1]) == [bytes([2]) * 512]


def test_one_instance_equals_the_file(client: DICOMwebClient, sent: Sent) -> None:
    ds = client.retrieve_instance(sent.study, sent.series[0], sent.instances[0])
    assert ds.PixelData == bytes(512)
    assert isinstance(ds, pydicom.Dataset)


def test_every_real_file_comes_back_with_its_digest(alice: Site) -> None:
    wrong, right = [], 0
    for path in real_files():
        file = path.read_bytes()
        transfer = factories.make_transfer(alice.organization)
        try:
            sealing.validate(transfer, [file])
        except errors.InstanceRefused:
            continue
        if hashlib.sha256(_pulled(alice, transfer)).digest() == hashlib.sha256(file).digest():
            right += 1
        else:
            wrong.append(path.name)
    assert (wrong, right > 0) == ([], True)


def _pulled(alice: Site, transfer: Transfer) -> bytes:
    one = Instance.objects.select_related("study", "series").get(transfer=transfer)
    path = (
        f"/dicomweb/transfers/{transfer.pk}/studies/{one.study.study_instance_uid}"
        f"/series/{one.series.series_instance_uid}/instances/{one.sop_instance_uid}"
    )
    return alice.get(path, accept="application/dicom; transfer-syntax=*").body
