"""Store of metadata with bulk data: which part belongs to which value, in any order and of its length."""

import base64

import pytest

from tests.exchange.dicomweb.conftest import Site
from tests.exchange.dicomweb.storing import (
    MALFORMED,
    MISSING,
    OCTETS,
    PIXELS,
    Part,
    bulk,
    ct,
    failed,
    kept,
    metadata,
    module,
    read,
    reasons,
    store,
    stored,
    uid,
    url,
)
from transfers.formats import part10
from transfers.models import Instance, Transfer
from transfers.receiving import shelf


def test_metadata_and_pixels_become_a_file(alice: Site) -> None:
    members = ct()
    reply = store(alice, metadata(members), bulk(PIXELS, "pixels"))
    assert (reply.status, stored(reply)) == (200, [uid(members)])
    ds = read(uid(members))
    assert ds.PixelData == PIXELS
    assert ds.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID == uid(members)
    said = ds.to_json_dict(bulk_data_element_handler=lambda _: "pixels", bulk_data_threshold=256)
    assert said == members


def test_it_can_be_pulled_like_any_other(alice: Site) -> None:
    members = ct()
    reply = store(alice, metadata(members), bulk(PIXELS, "pixels"))
    assert module(reply)["00081199"]["Value"][0]["00081190"]["Value"][0].endswith(uid(members))
    assert part10.Scanner(size=len(kept(uid(members)))) and Instance.objects.get().pixel_length == 512


def test_the_same_request_makes_the_same_bytes(alice: Site) -> None:
    parts = [metadata(ct()), bulk(PIXELS, "pixels")]
    store(alice, *parts)
    assert store(alice, *parts).status == 200
    assert Transfer.objects.count() == Instance.objects.count() == 1


def test_several_instances_and_studies_in_the_order_of_the_metadata(alice: Site) -> None:
    members = [ct(f"bulk/{number}") for number in range(4)]
    parts = [bulk(bytes([number]) * 512, f"bulk/{number}") for number in range(4)]
    reply = store(alice, metadata(*members), *parts)
    assert stored(reply) == [uid(one) for one in members] and Transfer.objects.count() == 4
    assert [read(uid(one)).PixelData[0] for one in members] == [0, 1, 2, 3]


def test_another_order_of_parts_is_held(alice: Site) -> None:
    members = [ct(f"bulk/{number}") for number in range(4)]
    parts = [bulk(bytes([number]) * 512, f"bulk/{number}") for number in (2, 3, 0, 1)]
    assert store(alice, metadata(*members), *parts).status == 200
    assert [read(uid(one)).PixelData[0] for one in members] == [0, 1, 2, 3]


def test_what_is_too_large_to_be_held_is_refused_and_the_rest_goes_on(
    alice: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "MAX_HELD", 600)
    members = [ct(f"bulk/{number}") for number in range(3)]
    parts = [bulk(PIXELS, f"bulk/{number}") for number in (1, 2, 0)]
    reply = store(alice, metadata(*members), *parts)
    assert (reply.status, failed(reply)) == (202, [uid(members[2])])
    assert stored(reply) == [uid(members[0]), uid(members[1])]


def test_large_bulk_data_in_order_are_never_held(alice: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "MAX_HELD", 0)
    members = ct(Rows=512, Columns=512)
    pixels = bytes(512 * 512 * 2)
    assert store(alice, metadata(members), bulk(pixels, "pixels")).status == 200
    assert read(uid(members)).PixelData == pixels


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("bulk/1", "bulk/1"),
        ("bulk/1", url("/dicomweb/bulk/1")),
        (url("/dicomweb/bulk/1"), "bulk/1"),
        ("/bulk/1", url("/bulk/1")),
        ("http://elsewhere.example/1", "http://elsewhere.example/1"),
        ("urn:uuid:6f1d1c1e-0000-4000-8000-000000000000", "urn:uuid:6f1d1c1e-0000-4000-8000-000000000000"),
        ("a b|c", "a b|c"),
    ],
)
def test_a_relative_uri_is_resolved_and_any_text_is_a_name(alice: Site, uri: str, location: str) -> None:
    assert store(alice, metadata(ct(uri)), bulk(PIXELS, location)).status == 200


def test_a_part_may_be_named_by_its_content_id(alice: Site) -> None:
    part = Part(PIXELS, {"Content-Type": OCTETS, "Content-ID": "<1@pacs>"})
    assert store(alice, metadata(ct("cid:1@pacs")), part).status == 200


def test_bulk_data_that_do_not_come_fail_their_instance_alone(alice: Site) -> None:
    members = [ct("bulk/0"), ct("bulk/1"), ct("bulk/2")]
    reply = store(alice, metadata(*members), bulk(PIXELS, "bulk/0"), bulk(PIXELS, "bulk/2"))
    assert (reply.status, reasons(reply), failed(reply)) == (202, [MISSING], [uid(members[1])])


def test_no_bulk_data_at_all_is_a_conflict(alice: Site) -> None:
    members = ct()
    reply = store(alice, metadata(members))
    assert (reply.status, reasons(reply), failed(reply)) == (409, [MISSING], [uid(members)])
    assert not Instance.objects.exists()


def test_nothing_is_fetched_from_elsewhere(alice: Site) -> None:
    assert reasons(store(alice, metadata(ct("https://elsewhere.example/pixels")))) == [MISSING]


def test_parts_that_nothing_names_are_told_of(alice: Site) -> None:
    reply = store(alice, metadata(ct()), bulk(b"x", "other"), bulk(PIXELS, "pixels"), Part(b"y"))
    assert reply.status == 200
    assert "2 parts are named by no BulkDataURI" in reply.headers["Warning"]


@pytest.mark.parametrize("locations", [("pixels", "pixels"), ("pixels", url("/dicomweb/pixels"))])
def test_the_same_location_twice_is_a_malformed_request(alice: Site, locations: tuple[str, str]) -> None:
    members = ct()
    reply = store(alice, metadata(members), *(bulk(PIXELS, location) for location in locations))
    assert reply.status == 400 and "Content-Location" in reply.headers["Warning"]
    assert stored(reply) == [uid(members)]


def test_two_instances_may_name_one_part(alice: Site) -> None:
    members = [ct("shared"), ct("shared")]
    assert store(alice, metadata(*members), bulk(PIXELS, "shared")).status == 200
    assert [read(uid(one)).PixelData for one in members] == [PIXELS, PIXELS]


def test_what_is_named_more_than_once_must_fit_into_memory(alice: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "MAX_HELD", 100)
    reply = store(alice, metadata(ct("shared"), ct("shared")), bulk(PIXELS, "shared"))
    assert reply.status == 409 and len(failed(reply)) == 2


def test_bulk_data_of_every_depth_and_before_the_pixels(alice: Site) -> None:
    members = ct()
    members["00091001"] = {"vr": "OB", "BulkDataURI": "private"}
    members["00090010"] = {"vr": "LO", "Value": ["ACME"]}
    members["00081140"] = {"vr": "SQ", "Value": [{"00420011": {"vr": "OB", "BulkDataURI": "inner"}}]}
    parts = [bulk(b"inside", "inner"), bulk(b"odd", "private"), bulk(PIXELS, "pixels")]
    for order in (parts, parts[::-1]):
        assert store(alice, metadata(members), *order).status == 200
    ds = read(uid(members))
    assert ds[0x00081140].value[0][0x00420011].value == b"inside"
    assert ds[0x00091001].value == b"odd\0" and ds.PixelData == PIXELS


def test_values_of_text_may_be_bulk_data(alice: Site) -> None:
    members = ct()
    members["00104000"] = {"vr": "LT", "BulkDataURI": "text"}
    members["0040A160"] = {"vr": "UT", "BulkDataURI": "long"}
    reply = store(alice, metadata(members), bulk(b"words", "text"), bulk(b"w" * 70_000, "long"), bulk(PIXELS, "pixels"))
    assert reply.status == 200
    assert read(uid(members)).TextValue == "w" * 70_000


def test_a_document_without_pixels(alice: Site) -> None:
    members = ct(SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1", Rows=None)
    del members["7FE00010"]
    members["00420011"] = {"vr": "OB", "BulkDataURI": "document"}
    reply = store(alice, metadata(members), bulk(b"%PDF-1.4 ", "document", "application/pdf"))
    assert reply.status == 200 and read(uid(members)).EncapsulatedDocument == b"%PDF-1.4 \0"


def test_pixels_may_be_inline(alice: Site) -> None:
    members = ct()
    members["7FE00010"] = {"vr": "OW", "InlineBinary": base64.b64encode(PIXELS).decode()}
    assert store(alice, metadata(members)).status == 200
    assert read(uid(members)).PixelData == PIXELS


def test_an_announced_length_is_kept(alice: Site) -> None:
    members = ct()
    assert store(alice, metadata(members), bulk(PIXELS, "pixels", Content_Length="512")).status == 200


@pytest.mark.parametrize("length", ["511", "513", "0", "99999999999"])
def test_another_length_than_announced_fails_the_instance(alice: Site, length: str) -> None:
    members = ct()
    reply = store(alice, metadata(members), bulk(PIXELS, "pixels", Content_Length=length))
    assert (reply.status, failed(reply)) == (409, [uid(members)])
    assert not Instance.objects.exists()


@pytest.mark.parametrize("size", [0, 511, 514])
def test_another_length_than_the_attributes_say_fails_the_instance(alice: Site, size: int) -> None:
    reply = store(alice, metadata(ct()), bulk(bytes(size), "pixels"))
    assert (reply.status, reasons(reply)) == (409, [MALFORMED])


@pytest.mark.parametrize("padding", [b"", b"\0"])
def test_an_odd_number_of_pixels_may_come_padded(alice: Site, padding: bytes) -> None:
    members = ct(Rows=3, Columns=5, BitsAllocated=8, BitsStored=8, HighBit=7)
    members["7FE00010"]["vr"] = "OB"
    assert store(alice, metadata(members), bulk(bytes(range(15)) + padding, "pixels")).status == 200
    assert read(uid(members)).PixelData == bytes(range(15)) + b"\0"
