"""Store of metadata with bulk data: composed while they arrive, and every way in which they do not fit."""

import base64
import io
import json
from typing import Any

import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames

from tests import factories
from tests.exchange.dicomweb.conftest import Site
from tests.exchange.dicomweb.storing import (
    JSON,
    OCTETS,
    TO,
    Members,
    Part,
    body,
    bulk,
    ct,
    failed,
    file,
    kept,
    metadata,
    module,
    post,
    read,
    reasons,
    store,
    stored,
    uid,
    url,
)
from transfers import sandbox
from transfers.formats import compressed, part10
from transfers.models import Instance, Transfer
from transfers.receiving import composed, shelf

PIXELS = bytes(range(256)) * 2
MISSING, MALFORMED, UNSUPPORTED, WRONG_STUDY = 0xA922, 0xC000, 0xC122, 0xA901
JPEG = "1.2.840.10008.1.2.4"


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


# Lengths


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


# Compressed pixels


def shipped(name: str) -> tuple[Members, list[bytes], pydicom.Dataset]:
    """The metadata and the frames of a compressed file."""
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    ds = pydicom.dcmread(path)
    count = int(ds.get("NumberOfFrames", 1))
    members: Members = ds.to_json_dict(bulk_data_element_handler=lambda _: "pixels", bulk_data_threshold=1 << 10)
    members["7FE00010"] = {"vr": "OB", "BulkDataURI": "pixels"}
    return members, list(generate_frames(ds.PixelData, number_of_frames=count)), ds


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("JPEG2000.dcm", f"image/jp2; transfer-syntax={JPEG}.91"),
        ("SC_rgb_jpeg_dcmtk.dcm", "image/jpeg"),
        ("SC_rgb_jpeg_dcmtk.dcm", f'image/jpeg; transfer-syntax="{JPEG}.50"'),
        ("MR_small_jp2klossless.dcm", "image/jp2"),
        ("SC_rgb_rle.dcm", "image/dicom-rle"),
        ("MR_small_jpeg_ls_lossless.dcm", "image/x-jls"),
        ("MR_small_jpeg_ls_lossless.dcm", f"application/octet-stream; transfer-syntax={JPEG}.80"),
    ],
)
@pytest.mark.parametrize("is_announced", [True, False])
def test_compressed_pixels_are_encapsulated_unchanged(
    alice: Site, name: str, media_type: str, is_announced: bool
) -> None:
    members, (frame,), ds = shipped(name)
    length = {"Content_Length": str(len(frame))} if is_announced else {}
    reply = store(alice, metadata(members), bulk(frame, "pixels", media_type, **length))
    assert reply.status == 200, reply.body
    composed_one = read(ds.SOPInstanceUID)
    assert composed_one.file_meta.TransferSyntaxUID == ds.file_meta.TransferSyntaxUID
    assert next(generate_frames(composed_one.PixelData, number_of_frames=1)).rstrip(b"\0") == frame.rstrip(b"\0")


@pytest.mark.parametrize("name_of", ["pixels", "pixels/frames/{}", "pixels/{}"])
def test_compressed_frames_are_one_part_each(alice: Site, name_of: str) -> None:
    members, frames, ds = shipped("SC_rgb_rle_2frame.dcm")
    parts = [bulk(frame, name_of.format(number), "image/dicom-rle") for number, frame in enumerate(frames, 1)]
    assert store(alice, metadata(members), *parts).status == 200
    instance = Instance.objects.get()
    assert instance.frames is not None
    assert list(generate_frames(read(ds.SOPInstanceUID).PixelData, number_of_frames=2)) == frames


def test_a_frame_too_few_is_missing_and_one_too_many_is_twice(alice: Site) -> None:
    members, frames, _ = shipped("SC_rgb_rle_2frame.dcm")
    parts = [bulk(frame, "pixels", "image/dicom-rle") for frame in frames]
    assert reasons(store(alice, metadata(members), parts[0])) == [MISSING]
    assert store(alice, metadata(members), *parts, parts[0]).status == 400


def test_frames_of_two_syntaxes_do_not_go_together(alice: Site) -> None:
    members, frames, _ = shipped("SC_rgb_rle_2frame.dcm")
    parts = [bulk(frames[0], "pixels", "image/dicom-rle"), bulk(frames[1], "pixels", "image/jls")]
    assert reasons(store(alice, metadata(members), *parts)) == [UNSUPPORTED]


def test_a_long_stream_of_unknown_length_is_cut_in_fragments(alice: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composed, "_FRAGMENT", 100)
    members, (frame,), ds = shipped("JPEG2000.dcm")
    media_type = f"image/jp2; transfer-syntax={JPEG}.91"
    assert store(alice, metadata(members), bulk(frame, "pixels", media_type)).status == 200
    found = next(generate_frames(read(ds.SOPInstanceUID).PixelData, number_of_frames=1))
    assert found.rstrip(b"\0") == frame.rstrip(b"\0")


def test_a_video_is_one_stream_of_all_frames(alice: Site) -> None:
    members = ct(NumberOfFrames=30)
    reply = store(alice, metadata(members), bulk(b"\0\0\1\xb3" + bytes(61), "pixels", "video/mpeg"))
    assert reply.status == 200
    assert read(uid(members)).file_meta.TransferSyntaxUID == f"{JPEG}.100"


@pytest.mark.parametrize(
    "media_type",
    [
        "image/png",
        "image/gif",
        "application/pdf",
        "no type",
        f"image/jpeg; transfer-syntax={JPEG}.90",
        "application/octet-stream; transfer-syntax=1.2.840.10008.1.2",
        "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.2",
    ],
)
def test_pixels_of_other_types_fail_their_instance(alice: Site, media_type: str) -> None:
    reply = store(alice, metadata(ct("a"), ct("b")), bulk(PIXELS, "a", media_type), bulk(PIXELS, "b"))
    assert (reply.status, reasons(reply), len(stored(reply))) == (202, [UNSUPPORTED], 1)


def jpeg(**options: Any) -> bytes:  # Any: as Pillow has them
    out = io.BytesIO()
    Image.new("L", (8, 8)).save(out, "JPEG", **options)
    return out.getvalue()


def test_a_jpeg_that_does_not_say_so_is_told_by_its_frame_header() -> None:
    baseline = jpeg()
    extended = baseline.replace(b"\xff\xc0", b"\xff\xc1")
    predictors = {
        number: b"\xff\xd8\xff\xc3\0\x0b\x08\0\x08\0\x08\1\1\x11\0\xff\xda\0\x08\1\1\0" + bytes([number]) + b"\0\0"
        for number in (1, 4)
    }
    assert compressed.jpeg_syntax(baseline) == f"{JPEG}.50"
    assert compressed.jpeg_syntax(extended) == f"{JPEG}.51"
    assert compressed.jpeg_syntax(predictors[1]) == f"{JPEG}.70"
    assert compressed.jpeg_syntax(predictors[4]) == f"{JPEG}.57"
    assert compressed.jpeg_syntax(b"\xff\xd8\xff") == compressed.jpeg_syntax(b"GIF89a") == ""


# The metadata


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b'[{"00080018": {"vr": "UI"}, "00080018": {"vr": "UI"}}]', "twice"),
        (b"\xff\xfe[]", "JSON"),
        (b"{}", "array"),
        (b"[]", "array"),
    ],
)
def test_what_is_no_array_of_data_sets_is_refused(alice: Site, content: bytes, words: str) -> None:
    reply = store(alice, Part(content, {"Content-Type": JSON}), bulk(PIXELS, "pixels"))
    assert reply.status == 400 and words in json.loads(reply.body)["detail"]


def test_metadata_have_a_limit(alice: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composed, "MAX_METADATA", 1000)
    reply = store(alice, metadata(ct(), ct()), bulk(PIXELS, "pixels"))
    assert reply.status == 413 and "bulk data" in json.loads(reply.body)["detail"]


def test_one_that_cannot_be_written_fails_alone_and_by_its_tag(alice: Site) -> None:
    good, bad = ct("a"), ct("b")
    bad["00280010"] = {"vr": "US", "Value": [-1]}
    reply = store(alice, metadata(bad, good), bulk(PIXELS, "a"), bulk(PIXELS, "b"))
    assert (reply.status, failed(reply), stored(reply)) == (202, [uid(bad)], [uid(good)])
    (item,) = module(reply)["00081198"]["Value"]
    assert "00280010" in item["00000902"]["Value"][0]


def test_what_has_no_uids_is_nameless(alice: Site) -> None:
    reply = store(alice, metadata({"00080060": {"vr": "CS", "Value": ["CT"]}}))
    assert (reply.status, reasons(reply)) == (409, [MALFORMED])
    assert "0008119A" in module(reply)


def test_a_study_in_the_url_refuses_others(alice: Site) -> None:
    study = factories.make_uid()
    members = [ct("a", StudyInstanceUID=study), ct("b")]
    reply = store(alice, metadata(*members), bulk(PIXELS, "a"), bulk(PIXELS, "b"), path=f"{TO}/{study}")
    assert (reply.status, reasons(reply), failed(reply)) == (202, [WRONG_STUDY], [uid(members[1])])


def test_a_body_that_is_cut_keeps_what_is_whole(alice: Site) -> None:
    members = [ct("a"), ct("b")]
    octets = body([metadata(*members), bulk(PIXELS, "a"), bulk(PIXELS, "b")])
    reply = post(alice, octets[:-100])
    assert (reply.status, stored(reply)) == (400, [uid(members[0])])


def test_a_body_that_is_cut_behind_the_last_value_is_cut_too(alice: Site) -> None:
    octets = body([metadata(ct()), bulk(PIXELS, "pixels")])
    assert post(alice, octets[:-10]).status == 400


def test_metadata_come_first(alice: Site) -> None:
    reply = store(alice, bulk(PIXELS, "pixels"), metadata(ct()))
    assert reply.status == 400 and "first part" in json.loads(reply.body)["detail"]


def test_without_a_type_the_first_part_decides(alice: Site) -> None:
    octets = body([metadata(ct()), bulk(PIXELS, "pixels")])
    assert post(alice, octets, content_type="multipart/related; boundary=next").status == 200


def test_a_first_part_without_a_type_is_of_the_root(alice: Site) -> None:
    first = Part(metadata(ct()).content)
    assert store(alice, first, bulk(PIXELS, "pixels")).status == 200


def test_files_do_not_come_among_bulk_data(alice: Site) -> None:
    reply = store(alice, metadata(ct()), bulk(PIXELS, "pixels"), file(factories.make_ct()))
    assert len(stored(reply)) == 1 and "1 parts" in reply.headers["Warning"]


def test_the_process_that_reads_is_killed_by_nothing_that_comes(alice: Site) -> None:
    """What kills the child is the request's fault, not the server's."""
    for depth in (500, 100_000):
        content = b'[{"00081140":{"vr":"SQ","Value":' * depth + b"[]" + b"}}]" * depth
        assert store(alice, Part(content, {"Content-Type": JSON})).status in (400, 409)
    assert sandbox.compose(metadata(ct()).content)[0].native_length == 512
