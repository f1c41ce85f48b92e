"""WADO-RS: what was stored comes back byte for byte, to those who may see it."""

import hashlib
import json
import re
from io import BytesIO
from zipfile import ZipFile

import pytest
from django.conf import settings
from pydicom.dataset import Dataset

from tests import factories, sealing
from tests.exchange.dicomweb.conftest import Sent, Site
from transfers.models import PullRecord, Transfer

ANY_SYNTAX = 'multipart/related; type="application/dicom"; transfer-syntax=*'


def test_study_comes_back_byte_for_byte(bob: Site, sent: Sent) -> None:
    response = bob.get(f"/dicomweb/studies/{sent.study}", accept=ANY_SYNTAX)
    assert set(response.files()) == set(sent.files)


def test_length_is_known_beforehand(bob: Site, sent: Sent) -> None:
    response = bob.get(f"/dicomweb/studies/{sent.study}")
    assert len(response.body) == int(response.headers["Content-Length"])


def test_parts_name_their_instance_below_the_same_root(bob: Site, sent: Sent) -> None:
    response = bob.get(sent.instance_path, accept=ANY_SYNTAX)
    ((headers, _),) = response.parts()
    assert headers["content-location"].endswith(sent.instance_path)
    assert headers["content-type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"


def test_series_holds_only_its_own_instances(bob: Site, sent: Sent) -> None:
    response = bob.get(f"/dicomweb/studies/{sent.study}/series/{sent.series[1]}")
    assert response.files() == sent.files[2:]


def test_one_instance_comes_by_itself_if_asked(bob: Site, sent: Sent) -> None:
    response = bob.get(sent.instance_path, accept="application/dicom; transfer-syntax=*")
    assert response.headers["Content-Type"].startswith("application/dicom;")
    assert hashlib.sha256(response.body).digest() == hashlib.sha256(sent.files[0]).digest()


def test_sender_reads_back_under_the_transfer(alice: Site, sent: Sent) -> None:
    response = alice.get(f"/dicomweb/transfers/{sent.transfer.pk}/studies/{sent.study}")
    assert set(response.files()) == set(sent.files)


def test_sender_has_no_part_in_the_union_of_deliveries(alice: Site, sent: Sent) -> None:
    assert alice.get(f"/dicomweb/studies/{sent.study}").status == 404


def test_single_type_for_a_study_is_not_acceptable(bob: Site, sent: Sent) -> None:
    assert bob.get(f"/dicomweb/studies/{sent.study}", accept="application/dicom").status == 406


def test_accept_parameter_comes_before_the_header(bob: Site, sent: Sent) -> None:
    response = bob.get(f"{sent.instance_path}?accept=application/dicom", accept="image/png")
    assert response.headers["Content-Type"].startswith("application/dicom;")


def test_range_gives_part_of_the_file(bob: Site, sent: Sent) -> None:
    response = bob.get(sent.instance_path, accept="application/dicom", Range="bytes=100-199")
    assert (response.status, response.body) == (206, sent.files[0][100:200])
    assert response.headers["Content-Range"] == f"bytes 100-199/{len(sent.files[0])}"


def test_range_beyond_the_end_is_refused(bob: Site, sent: Sent) -> None:
    response = bob.get(sent.instance_path, accept="application/dicom", Range="bytes=99999999-")
    assert (response.status, response.headers["Content-Range"]) == (416, f"bytes */{len(sent.files[0])}")


@pytest.mark.parametrize("cut", [1, 90, 400, 1000, 2600])
def test_multipart_goes_on_where_it_broke_off(bob: Site, sent: Sent, cut: int) -> None:
    path = f"/dicomweb/studies/{sent.study}"
    first = bob.get(path)
    whole = first.body
    rest = bob.get(path, Range=f"bytes={cut}-", **{"If-Range": first.headers["ETag"]})
    assert whole[:cut] + rest.body == whole


def test_range_of_something_else_gives_all(bob: Site, sent: Sent) -> None:
    response = bob.get(sent.instance_path, accept="application/dicom", Range="bytes=5-9", **{"If-Range": '"another"'})
    assert (response.status, response.body) == (200, sent.files[0])


def test_known_tag_is_not_sent_again_and_not_recorded(bob: Site, sent: Sent) -> None:
    path = f"/dicomweb/studies/{sent.study}"
    tag = bob.head(path).headers["ETag"]
    response = bob.get(path, **{"If-None-Match": tag})
    assert (response.status, PullRecord.objects.count()) == (304, 0)


def test_head_tells_the_length_and_records_nothing(bob: Site, sent: Sent) -> None:
    response = bob.head(f"/dicomweb/studies/{sent.study}")
    assert int(response.headers["Content-Length"]) > sum(map(len, sent.files))
    assert not PullRecord.objects.exists()


def test_zip_holds_the_study_without_a_name(bob: Site, sent: Sent) -> None:
    response = bob.get(f"/dicomweb/studies/{sent.study}", accept="application/zip")
    with ZipFile(BytesIO(response.body)) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == "ST000001/SE000001/IM000001.dcm"
        assert {archive.read(name) for name in archive.namelist()} == set(sent.files)


def test_metadata_is_an_array_of_data_sets(bob: Site, sent: Sent) -> None:
    response = bob.get(f"/dicomweb/studies/{sent.study}/metadata", accept="application/dicom+json")
    records = json.loads(response.body)
    assert {record["00080018"]["Value"][0] for record in records} == set(sent.instances)
    assert response.headers["Content-Type"] == "application/dicom+json"


def test_bulk_data_lies_where_metadata_say(bob: Site, sent: Sent) -> None:
    (record,) = json.loads(bob.get(f"{sent.instance_path}/metadata").body)
    uri = record["7FE00010"]["BulkDataURI"]
    path = re.sub("^https?://[^/]+", "", uri)
    response = bob.get(path, accept="application/octet-stream")
    assert response.body == bytes(512)


def test_every_uri_in_metadata_leads_to_its_value(alice: Site, bob: Site) -> None:
    inner = Dataset()
    inner.add_new(0x00420011, "OB", b"inside " * 400)
    file = factories.make_ct(ReferencedStudySequence=[Dataset(), inner], EncapsulatedDocument=b"%PDF" * 500)
    transfer = sealing.send([file], sender=alice.organization, to=[bob.organization])
    ((record,),) = [json.loads(bob.get(f"/dicomweb/studies/{study}/metadata").body) for study in studies_of(transfer)]
    uris = [record["00420011"]["BulkDataURI"], record["00081110"]["Value"][1]["00420011"]["BulkDataURI"]]
    bodies = [bob.get(uri.removeprefix(settings.PUBLIC_URL), accept="application/octet-stream").body for uri in uris]
    assert bodies == [b"%PDF" * 500, b"inside " * 400]


def studies_of(transfer: Transfer) -> list[str]:
    return list(transfer.studies.values_list("study_instance_uid", flat=True))


@pytest.mark.parametrize("path", ["00100010/x", "0010", "00420011", "00081110/0/00100020", "../1"])
def test_bulk_data_that_is_not_there(bob: Site, sent: Sent, path: str) -> None:
    assert bob.get(f"{sent.instance_path}/bulkdata/{path}").status == 404


def test_frame_comes_as_stored(bob: Site, sent: Sent) -> None:
    accept = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
    ((headers, content),) = bob.get(f"{sent.instance_path}/frames/1", accept=accept).parts()
    assert content == bytes(512)
    assert headers["content-type"] == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"


@pytest.mark.parametrize(
    ("frames", "status"),
    [("0", 400), ("1,1", 400), ("2,1", 400), ("x", 400), ("1,", 400), ("-1", 400), ("2", 404), ("1,2", 404)],
)
def test_frame_lists_are_checked(bob: Site, sent: Sent, frames: str, status: int) -> None:
    assert bob.get(f"{sent.instance_path}/frames/{frames}").status == status


@pytest.mark.parametrize("path", ["/metadata", "/rendered"])
def test_head_claims_no_other_length_than_get(bob: Site, sent: Sent, path: str) -> None:
    accept = {"/metadata": "application/dicom+json", "/rendered": "multipart/related; type=image/jpeg"}[path]
    url = f"/dicomweb/studies/{sent.study}{path}"
    reply = bob.head(url, accept=accept)
    assert reply.status == 200
    assert "Content-Length" not in reply.headers


def test_if_match_names_what_is_wanted(bob: Site, sent: Sent) -> None:
    tag = bob.get(sent.instance_path, accept=ANY_SYNTAX).headers["ETag"]
    for named, status in (('"other"', 412), (f'"other", {tag}', 200), (tag, 200), ("*", 200), (f"W/{tag}", 412)):
        assert bob.get(sent.instance_path, accept=ANY_SYNTAX, **{"If-Match": named}).status == status
