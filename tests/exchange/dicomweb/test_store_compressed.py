"""Store of metadata with compressed pixels: encapsulated unchanged, in the syntax of their media type."""

import io
from typing import Any

import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames

from tests.exchange.dicomweb.conftest import Site
from tests.exchange.dicomweb.storing import (
    MISSING,
    PIXELS,
    UNSUPPORTED,
    Members,
    bulk,
    ct,
    metadata,
    read,
    reasons,
    store,
    stored,
    uid,
)
from transfers.formats import compressed
from transfers.models import Instance
from transfers.receiving import composed

JPEG = "1.2.840.10008.1.2.4"


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
