"""All bulk data, pixel data alone, and frames that have no place of their own in the file."""

import io
import json
from typing import Any

import pydicom
import pytest
from django.conf import settings
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from exchange.dicomweb import bulk
from tests import factories, sealing
from tests.exchange.dicomweb.conftest import Reply, Sent, Site
from transfers.models import PullRecord, Transfer
from transfers.rendering.held import aligned
from transfers.retrieving import converting

OCTETS = 'multipart/related; type="application/octet-stream"'
STAR = f"{OCTETS}; transfer-syntax=*"


def study_path(transfer: Transfer) -> str:
    return f"/dicomweb/studies/{transfer.studies.get().study_instance_uid}"


def instance_path(transfer: Transfer) -> str:
    series = transfer.studies.get().series.get()
    instance = series.instances.get()
    return f"{study_path(transfer)}/series/{series.series_instance_uid}/instances/{instance.sop_instance_uid}"


def send(alice: Site, bob: Site, *files: bytes) -> Transfer:
    return sealing.send(files, sender=alice.organization, to=[bob.organization])


def located(reply: Reply, path: str) -> list[str]:
    return [
        headers["content-location"].removeprefix(settings.PUBLIC_URL).removeprefix(path) for headers, _ in reply.parts()
    ]


def with_bulk(**more: Any) -> bytes:  # Any: element values
    inner = Dataset()
    inner.add_new(0x00420011, "OB", b"inside " * 400)
    return factories.make_ct(
        ReferencedStudySequence=[Dataset(), inner],
        EncapsulatedDocument=b"%PDF" * 500,
        pixels=bytes(range(256)) * 2,
        **more,
    )


BULK = [b"inside " * 400, b"%PDF" * 500, bytes(range(256)) * 2]
PATHS = ["/bulkdata/00081110/1/00420011", "/bulkdata/00420011", "/bulkdata/7FE00010"]


def converted(file: bytes, syntax: str) -> bytes:
    return factories.part10_file(pydicom.dcmread(io.BytesIO(file)), transfer_syntax_uid=syntax)


@pytest.mark.parametrize("syntax", ["", ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_all_bulk_data_of_an_instance_in_their_order(alice: Site, bob: Site, syntax: str) -> None:
    transfer = send(alice, bob, converted(with_bulk(), syntax) if syntax else with_bulk())
    path = instance_path(transfer)
    reply = bob.get(f"{path}/bulkdata")
    assert reply.files() == BULK
    assert located(reply, path) == PATHS
    assert len(reply.body) == int(reply.headers["Content-Length"])


@pytest.mark.parametrize("level", ["study", "series"])
def test_all_bulk_data_of_several_instances(bob: Site, sent: Sent, level: str) -> None:
    below = f"/series/{sent.series[0]}" if level == "series" else ""
    reply = bob.get(f"/dicomweb/studies/{sent.study}{below}/bulkdata", accept=OCTETS)
    assert reply.files() == [bytes([number]) * 512 for number in range(2 if below else 3)]


def test_bulk_data_stand_for_the_study_whose_octets_are_asked_for(bob: Site, sent: Sent) -> None:
    path = f"/dicomweb/studies/{sent.study}"
    assert bob.get(path, accept=OCTETS).body == bob.get(f"{path}/bulkdata", accept=OCTETS).body
    assert bob.get(sent.instance_path, accept=OCTETS).files() == [bytes(512)]


def test_each_leads_to_the_same_octets_by_itself(alice: Site, bob: Site) -> None:
    path = instance_path(send(alice, bob, with_bulk()))
    alone = [bob.get(path + location, accept="application/octet-stream").body for location in PATHS]
    assert bob.get(f"{path}/bulkdata").files() == alone


def test_every_uri_in_the_metadata_of_a_deflated_instance_leads_to_its_value(alice: Site, bob: Site) -> None:
    path = instance_path(send(alice, bob, converted(with_bulk(), DeflatedExplicitVRLittleEndian)))
    alone = [bob.get(path + location, accept="application/octet-stream").body for location in PATHS]
    assert alone == BULK


def test_any_range_of_it_is_a_slice(alice: Site, bob: Site) -> None:
    path = f"{instance_path(send(alice, bob, with_bulk()))}/bulkdata"
    whole = bob.get(path)
    reply = bob.get(path, Range="bytes=1000-1999", **{"If-Range": whole.headers["ETag"]})
    assert (reply.status, reply.body) == (206, whole.body[1000:2000])


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_pixel_data_come_without_the_rest(alice: Site, bob: Site, level: str) -> None:
    path = instance_path(send(alice, bob, with_bulk()))
    below = {"instance": path, "series": path.partition("/instances")[0], "study": path.partition("/series")[0]}[level]
    assert bob.get(f"{below}/pixeldata", accept=OCTETS).files() == BULK[2:]


def test_what_has_no_pixels_has_no_pixel_data(alice: Site, bob: Site) -> None:
    ds = pydicom.dcmread(io.BytesIO(factories.make_ct()))
    del ds.PixelData
    path = instance_path(send(alice, bob, factories.part10_file(ds)))
    assert bob.get(f"{path}/pixeldata").status == 404
    assert bob.get(f"{path}/bulkdata").status == 404


def compressed(name: str = "SC_rgb_rle_2frame.dcm") -> tuple[bytes, Dataset]:
    file = get_testdata_file(name)
    assert isinstance(file, str)
    return open(file, "rb").read(), pydicom.dcmread(file)


@pytest.mark.parametrize("resource", ["pixeldata", "bulkdata", "bulkdata/7FE00010"])
def test_compressed_pixels_are_decoded_into_one_part(alice: Site, bob: Site, resource: str) -> None:
    file, ds = compressed()
    reply = bob.get(f"{instance_path(send(alice, bob, file))}/{resource}", accept=OCTETS)
    ((headers, content),) = reply.parts()
    assert headers["content-type"] == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
    assert content == ds.pixel_array.tobytes()


@pytest.mark.parametrize("resource", ["pixeldata", "bulkdata", "bulkdata/7FE00010"])
def test_compressed_pixels_come_frame_by_frame_as_stored(alice: Site, bob: Site, resource: str) -> None:
    file, ds = compressed()
    path = instance_path(send(alice, bob, file))
    reply = bob.get(f"{path}/{resource}", accept=STAR)
    assert reply.files() == list(generate_frames(ds.PixelData, number_of_frames=2))
    assert located(reply, path) == ["/frames/1", "/frames/2"]
    assert {headers["content-type"] for headers, _ in reply.parts()} == {
        f"application/octet-stream; transfer-syntax={RLELossless}"
    }


def test_compressed_pixels_come_in_their_own_type(alice: Site, bob: Site) -> None:
    file, ds = compressed("JPEG2000.dcm")
    reply = bob.get(f"{instance_path(send(alice, bob, file))}/pixeldata", accept='multipart/related; type="image/jp2"')
    assert reply.files() == list(generate_frames(ds.PixelData, number_of_frames=1))


def test_compressed_bulk_data_of_one_frame_come_by_themselves(alice: Site, bob: Site) -> None:
    file, ds = compressed("JPEG2000.dcm")
    path = f"{instance_path(send(alice, bob, file))}/bulkdata/7FE00010"
    reply = bob.get(path, accept="image/jp2")
    assert reply.body == next(generate_frames(ds.PixelData, number_of_frames=1))


def test_several_frames_do_not_come_as_one(alice: Site, bob: Site) -> None:
    file, _ = compressed()
    path = f"{instance_path(send(alice, bob, file))}/bulkdata/7FE00010"
    assert bob.get(path, accept="image/dicom-rle").status == 406


def test_mixed_syntaxes_are_decoded_each_by_itself(alice: Site, bob: Site) -> None:
    _, ds = compressed()
    study = factories.make_uid()
    ds.StudyInstanceUID = study
    rle = factories.part10_file(ds, transfer_syntax_uid=RLELossless)
    transfer = send(alice, bob, factories.make_ct(StudyInstanceUID=study), rle)
    files = bob.get(f"{study_path(transfer)}/pixeldata").files()
    assert sorted(files, key=len) == sorted([bytes(512), ds.pixel_array.tobytes()], key=len)


def test_undecodable_pixels_are_not_acceptable_uncompressed(alice: Site, bob: Site) -> None:
    ds = pydicom.dcmread(io.BytesIO(factories.make_ct()))
    ds.add_new("PixelData", "OB", encapsulate([b"\xff\x0a" + bytes(60)]))
    ds["PixelData"].is_undefined_length = True
    # pydicom does not know JPEG XL, and writes what it knows.
    known = factories.part10_file(ds, transfer_syntax_uid="1.2.840.10008.1.2.4.100")
    path = instance_path(send(alice, bob, known.replace(b"1.2.4.100", b"1.2.4.110")))
    assert bob.get(f"{path}/bulkdata", accept=OCTETS).status == 406
    assert bob.get(f"{path}/bulkdata", accept=STAR).status == 200


def test_it_counts_as_viewed_not_as_pulled(bob: Site, sent: Sent) -> None:
    bob.get(f"/dicomweb/studies/{sent.study}/bulkdata")
    assert set(PullRecord.objects.values_list("kind", flat=True)) == {"viewed"}


def test_what_is_held_counts_as_viewed_too(alice: Site, bob: Site) -> None:
    path = instance_path(send(alice, bob, converted(with_bulk(), DeflatedExplicitVRLittleEndian)))
    bob.get(f"{path}/bulkdata")
    assert [record.kind for record in PullRecord.objects.all()] == ["viewed"]


def test_too_many_parts_are_refused(bob: Site, sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_PARTS", 2)
    reply = bob.get(f"/dicomweb/studies/{sent.study}/bulkdata")
    assert reply.status == 413 and "series" in json.loads(reply.body)["detail"]


def test_too_much_to_inflate_is_refused(alice: Site, bob: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    path = instance_path(send(alice, bob, converted(with_bulk(), DeflatedExplicitVRLittleEndian)))
    monkeypatch.setattr(converting, "MAX_HELD", 1000)
    assert bob.get(f"{path}/bulkdata").status == 406


# Frames


def of_frames(frames: list[bytes], *, bits: int = 8, **more: Any) -> bytes:  # Any: element values
    """Three frames of 3 x 5 pixels."""
    joined = b"".join(frames)
    if bits == 1:
        total = 0
        for number, frame in enumerate(frames):
            total |= int.from_bytes(frame, "little") << 15 * number
        joined = total.to_bytes((15 * len(frames) + 7) // 8, "little")
    return factories.make_ct(
        pixels=joined + b"\0" * (len(joined) % 2),
        Rows=3,
        Columns=5,
        NumberOfFrames=len(frames),
        BitsAllocated=bits,
        BitsStored=bits,
        HighBit=bits - 1,
        **more,
    )


ONE_BIT = [(0x5ABC & 0x7FFF).to_bytes(2, "little"), (0x0123).to_bytes(2, "little"), (0x7FFF).to_bytes(2, "little")]
BYTES = [bytes(range(15)), bytes(range(15, 30)), bytes(range(30, 45))]


@pytest.mark.parametrize("accept", [OCTETS, STAR])
def test_frames_that_share_octets_begin_with_their_own(alice: Site, bob: Site, accept: str) -> None:
    path = instance_path(send(alice, bob, of_frames(ONE_BIT, bits=1)))
    assert bob.get(f"{path}/frames/1,2,3", accept=accept).files() == ONE_BIT
    assert bob.get(f"{path}/frames/2", accept="application/octet-stream").body == ONE_BIT[1]
    assert bob.get(f"{path}/frames/4").status == 404


@pytest.mark.parametrize("accept", [OCTETS, STAR])
@pytest.mark.parametrize(("bits", "frames"), [(8, BYTES), (1, ONE_BIT)])
def test_frames_of_a_deflated_instance(alice: Site, bob: Site, accept: str, bits: int, frames: list[bytes]) -> None:
    file = converted(of_frames(frames, bits=bits), DeflatedExplicitVRLittleEndian)
    path = instance_path(send(alice, bob, file))
    reply = bob.get(f"{path}/frames/1,3", accept=accept)
    assert reply.files() == [frames[0], frames[2]]
    assert {headers["content-type"] for headers, _ in reply.parts()} == {
        "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
    }
    assert bob.get(f"{path}/frames/4").status == 404


def test_frames_of_a_deflated_instance_without_pixels(alice: Site, bob: Site) -> None:
    ds = pydicom.dcmread(io.BytesIO(factories.make_ct()))
    del ds.PixelData
    file = converted(factories.part10_file(ds), DeflatedExplicitVRLittleEndian)
    assert bob.get(f"{instance_path(send(alice, bob, file))}/frames/1").status == 404


@pytest.mark.parametrize(
    ("octets", "skipped", "bits", "expected"),
    [
        (b"\xff\xff", 0, 8, b"\xff"),
        (b"\xf0\x0f", 4, 8, b"\xff"),
        (b"\xf0\x0f", 4, 5, b"\x1f"),
        (b"\x80\x01", 7, 2, b"\3"),
    ],
)
def test_bits_are_counted_from_the_least_significant(octets: bytes, skipped: int, bits: int, expected: bytes) -> None:
    assert aligned(octets, skipped=skipped, bits=bits) == expected


def test_short_frames_in_big_endian_words(alice: Site, bob: Site) -> None:
    ds = pydicom.dcmread(io.BytesIO(of_frames(ONE_BIT, bits=1)))
    words = ds.PixelData
    turned = b"".join(words[at : at + 2][::-1] for at in range(0, len(words), 2))
    big = Dataset()
    big.update({element.tag: element for element in ds if element.tag != 0x7FE00010})
    big.add_new(0x7FE00010, "OW", turned)  # pydicom writes OW as it is given
    file = factories.part10_file(big, transfer_syntax_uid=ExplicitVRBigEndian)
    path = instance_path(send(alice, bob, file))
    assert bob.get(f"{path}/frames/1,2,3", accept=OCTETS).files() == ONE_BIT
