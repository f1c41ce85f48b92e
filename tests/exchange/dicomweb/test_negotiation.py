"""Which representation is given, for what is stored in one transfer syntax or another."""

import io
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRLittleEndian

from tests import sealing
from tests.exchange.dicomweb.conftest import Site
from transfers.models import Instance, PullRecord

FILES = {
    "explicit": "CT_small.dcm",
    "implicit": "MR_small_implicit.dcm",
    "big": "MR_small_bigendian.dcm",
    "big32": "rtdose_expb_1frame.dcm",
    "deflated": "image_dfl.dcm",
    "lossy": "JPEG-lossy.dcm",
    "rle": "SC_rgb_rle_2frame.dcm",
    "j2k": "JPEG2000.dcm",
}
STAR = 'multipart/related; type="application/dicom"; transfer-syntax=*'
DEFAULT = 'multipart/related; type="application/dicom"'
RLE = "1.2.840.10008.1.2.5"


def read(kind: str) -> bytes:
    path = get_testdata_file(FILES[kind], download=False)
    assert isinstance(path, str)
    return Path(path).read_bytes()


def path_of(alice: Site, bob: Site, kind: str) -> str:
    sealing.send([read(kind)], sender=alice.organization, to=[bob.organization])
    one = Instance.objects.select_related("study", "series").get()
    return (
        f"/dicomweb/studies/{one.study.study_instance_uid}/series/{one.series.series_instance_uid}"
        f"/instances/{one.sop_instance_uid}"
    )


@pytest.mark.parametrize("kind", FILES)
def test_star_gives_what_is_stored(alice: Site, bob: Site, kind: str) -> None:
    assert bob.get(path_of(alice, bob, kind), accept=STAR).files() == [read(kind)]


@pytest.mark.parametrize("kind", FILES)
def test_stored_syntax_may_be_asked_for_by_name(alice: Site, bob: Site, kind: str) -> None:
    path = path_of(alice, bob, kind)
    syntax = Instance.objects.get().transfer_syntax_uid
    accept = f"multipart/related; type=application/dicom; transfer-syntax={syntax}"
    assert bob.get(path, accept=accept).files() == [read(kind)]


@pytest.mark.parametrize("kind", ["rle", "j2k"])
def test_compressed_is_decoded_unless_asked_otherwise(alice: Site, bob: Site, kind: str) -> None:
    reply = bob.get(path_of(alice, bob, kind), accept=DEFAULT)
    ((headers, file),) = reply.parts()
    given, stored = pydicom.dcmread(io.BytesIO(file)), pydicom.dcmread(io.BytesIO(read(kind)))
    assert headers["content-type"] == f"application/dicom; transfer-syntax={ExplicitVRLittleEndian}"
    assert (given.pixel_array == stored.pixel_array).all()
    assert int(reply.headers["Content-Length"]) == len(reply.body)


@pytest.mark.parametrize("kind", ["implicit", "big", "big32", "deflated"])
def test_uncompressed_is_given_in_explicit_little_endian(alice: Site, bob: Site, kind: str) -> None:
    reply = bob.get(path_of(alice, bob, kind), accept=DEFAULT)
    ((headers, file),) = reply.parts()
    given, stored = pydicom.dcmread(io.BytesIO(file)), pydicom.dcmread(io.BytesIO(read(kind)))
    assert headers["content-type"] == f"application/dicom; transfer-syntax={ExplicitVRLittleEndian}"
    assert given.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert (given.pixel_array == stored.pixel_array).all()
    assert [str(one.value) for one in given if one.keyword != "PixelData"] == [
        str(one.value) for one in stored if one.tag.element and one.keyword != "PixelData"
    ]


def test_converted_instance_is_pulled_whole_and_only_whole(alice: Site, bob: Site) -> None:
    path = path_of(alice, bob, "big")
    whole = bob.get(path, accept="application/dicom", Range="bytes=1-")
    assert PullRecord.objects.count() == 0
    assert bob.get(path, accept="application/dicom").body[1:] == whole.body
    assert PullRecord.objects.get().kind == "pulled"


@pytest.mark.parametrize("start", [1400, 1401, 4001, 9601])
def test_any_range_of_swapped_words_fits(alice: Site, bob: Site, start: int) -> None:
    path = path_of(alice, bob, "big")
    whole = bob.get(path, accept="application/dicom").body
    part = bob.get(path, accept="application/dicom", Range=f"bytes={start}-{start + 100}").body
    assert part == whole[start : start + 101]


def test_frame_of_big_endian_words_is_turned_round(alice: Site, bob: Site) -> None:
    frame = bob.get(f"{path_of(alice, bob, 'big')}/frames/1", accept="application/octet-stream").body
    stored = pydicom.dcmread(io.BytesIO(read("big"))).pixel_array
    assert frame == stored.astype("<u2").tobytes()


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.80', 200),
        ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.70', 406),
        (f"multipart/related; type=application/dicom; transfer-syntax={RLE}; q=0.2, image/png", 200),
        ("multipart/related", 200),
        ('multipart/related; type="image/png"', 406),
        ("application/dicom; transfer-syntax=*", 200),
        (f"application/dicom; transfer-syntax={RLE}; q=0", 406),
        ("nonsense", 406),
    ],
)
def test_ranges_choose_syntax_and_type(alice: Site, bob: Site, accept: str, status: int) -> None:
    path = path_of(alice, bob, "rle")
    assert bob.get(path, accept=accept).status == status


@pytest.mark.parametrize(
    ("kind", "accept", "media_type"),
    [
        ("rle", 'multipart/related; type="image/dicom-rle"', "image/dicom-rle; transfer-syntax=1.2.840.10008.1.2.5"),
        ("rle", 'multipart/related; type="image/x-dicom-rle"', "image/dicom-rle; transfer-syntax=1.2.840.10008.1.2.5"),
        ("rle", 'multipart/related; type="*/*"', "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"),
        (
            "rle",
            "multipart/related; type=application/octet-stream; transfer-syntax=*",
            "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.5",
        ),
        ("j2k", 'multipart/related; type="image/*"', "image/jp2; transfer-syntax=1.2.840.10008.1.2.4.91"),
        (
            "implicit",
            "multipart/related; type=application/octet-stream",
            "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1",
        ),
    ],
)
def test_frames_say_what_they_are(alice: Site, bob: Site, kind: str, accept: str, media_type: str) -> None:
    reply = bob.get(f"{path_of(alice, bob, kind)}/frames/1", accept=accept)
    assert [headers["content-type"] for headers, _ in reply.parts()] == [media_type]


@pytest.mark.parametrize(
    ("kind", "accept"),
    [
        ("rle", 'multipart/related; type="image/jpeg"'),
        ("explicit", 'multipart/related; type="image/jpeg"'),
    ],
)
def test_frames_are_not_compressed_into_what_is_not_offered(alice: Site, bob: Site, kind: str, accept: str) -> None:
    assert bob.get(f"{path_of(alice, bob, kind)}/frames/1", accept=accept).status == 406


@pytest.mark.parametrize("syntax", [RLE, "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"])
@pytest.mark.parametrize("kind", ["explicit", "implicit", "big", "deflated", "rle", "j2k"])
def test_lossless_syntax_that_is_named_holds_the_same_numbers(alice: Site, bob: Site, kind: str, syntax: str) -> None:
    accept = f"application/dicom; transfer-syntax={syntax}"
    reply = bob.get(path_of(alice, bob, kind), accept=accept)
    given, stored = pydicom.dcmread(io.BytesIO(reply.body)), pydicom.dcmread(io.BytesIO(read(kind)))
    assert (reply.headers["Content-Type"], given.file_meta.TransferSyntaxUID) == (accept, syntax)
    assert (given.pixel_array == stored.pixel_array).all()
    assert [one.tag for one in given] == [one.tag for one in stored if one.tag.element]


def test_frames_are_compressed_anew_if_asked(alice: Site, bob: Site) -> None:
    reply = bob.get(f"{path_of(alice, bob, 'explicit')}/frames/1", accept="image/jls")
    assert reply.headers["Content-Type"] == "image/jls; transfer-syntax=1.2.840.10008.1.2.4.80"
    assert reply.body[:2] == b"\xff\xd8"


@pytest.mark.parametrize("numbers", [[1], [2], [1, 2]])
def test_frames_are_decoded_each_for_itself(alice: Site, bob: Site, numbers: list[int]) -> None:
    path = f"{path_of(alice, bob, 'rle')}/frames/{','.join(map(str, numbers))}"
    frames = bob.get(path, accept='multipart/related; type="application/octet-stream"').files()
    stored = pydicom.dcmread(io.BytesIO(read("rle"))).pixel_array
    assert frames == [stored[number - 1].tobytes() for number in numbers]


@pytest.mark.parametrize("start", [0, 900, 1700, 29_000])
def test_any_range_of_what_is_decoded_fits(alice: Site, bob: Site, start: int) -> None:
    path = path_of(alice, bob, "rle")
    whole = bob.get(path, accept=DEFAULT).body
    assert bob.get(path, accept=DEFAULT, Range=f"bytes={start}-{start + 500}").body == whole[start : start + 501]


def test_decoded_instance_is_pulled(alice: Site, bob: Site) -> None:
    path = path_of(alice, bob, "rle")
    bob.get(path, accept=DEFAULT, Range="bytes=0-400")
    assert PullRecord.objects.count() == 0
    bob.get(path, accept=DEFAULT)
    assert PullRecord.objects.get().kind == "pulled"


def test_compressed_frames_come_without_item_headers(alice: Site, bob: Site) -> None:
    ds = pydicom.dcmread(str(get_testdata_file(FILES["rle"])))
    stored = list(generate_frames(ds.PixelData, number_of_frames=2))
    path = path_of(alice, bob, "rle")
    assert bob.get(f"{path}/frames/1,2", accept='multipart/related; type="image/dicom-rle"').files() == stored


@pytest.mark.parametrize("accept", ["application/dicom+json", "application/json", "*/*"])
def test_metadata_come_as_json(alice: Site, bob: Site, accept: str) -> None:
    reply = bob.get(f"{path_of(alice, bob, 'j2k')}/metadata", accept=accept)
    assert reply.headers["Content-Type"] == (accept if accept != "*/*" else "application/dicom+json")


def test_metadata_come_as_xml_to_who_prefers_them(alice: Site, bob: Site) -> None:
    accept = 'application/dicom+json; q=0.5, multipart/related; type="application/dicom+xml"'
    reply = bob.get(f"{path_of(alice, bob, 'j2k')}/metadata", accept=accept)
    assert reply.headers["Content-Type"].startswith('multipart/related; type="application/dicom+xml"; boundary=')
