"""The header scanner against pydicom's reading, in crumbs, cut off, forged and inflated."""

import io
import os
import random
import struct
import time
import tracemalloc
import zlib
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file, get_testdata_files
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended

from transfers import errors
from transfers.formats import elements, filemeta, frames, part10

EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
DEFLATED, JPEG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.50"
CT = "1.2.840.10008.5.1.4.1.1.2"


def scan(data: bytes, *, step: int = 1 << 18, sized: bool = True) -> part10.Header:
    scanner = part10.Scanner(size=len(data) if sized else None)
    for at in range(0, len(data), step):
        scanner.feed(memoryview(data)[at : at + step])
    return scanner.finish()


def element(tag: int, vr: str, value: bytes, *, length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    long = vr in ("OB", "OW", "SQ", "UN", "UT")
    return head + (struct.pack("<HI", 0, size) if long else struct.pack("<H", size)) + value


def item(value: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value


ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
ITEM_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
UIDS = (
    element(0x00080016, "UI", CT.encode() + b"\0")
    + element(0x00080018, "UI", b"1.2.3")
    + element(0x0020000D, "UI", b"1.2")
    + element(0x0020000E, "UI", b"1.4")
)


def part10_file(
    data_set: bytes = UIDS, *, syntax: str = EXPLICIT, preamble: bytes = bytes(128), sop_class: str = CT
) -> bytes:
    meta = element(0x00020002, "UI", sop_class.encode()) + element(0x00020003, "UI", b"1.2.3")
    meta += element(0x00020010, "UI", syntax.encode())
    return preamble + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta + data_set


def made(syntax: str, **attributes: object) -> bytes:
    """A file written by pydicom, nested sequences and all."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = CT, "1.2.3", "1.2", "1.4"
    ds.PatientID, ds.PatientName, ds.AccessionNumber = "P1", "Muster^Änne", "A1"
    ds.SpecificCharacterSet = "ISO_IR 100"
    issuer = Dataset()
    issuer.LocalNamespaceEntityID = "HOSPITAL"
    ds.IssuerOfAccessionNumberSequence = [issuer]
    inner = Dataset()
    inner.ReferencedSOPInstanceUID = "9.9"
    outer = Dataset()
    outer.ReferencedSOPSequence = [inner, inner]
    ds.ReferencedSeriesSequence = [outer, Dataset()]
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    written = io.BytesIO()
    pydicom.dcmwrite(written, ds, enforce_file_format=True)
    return written.getvalue()


NATIVE = {
    "Rows": 4,
    "Columns": 6,
    "BitsAllocated": 16,
    "SamplesPerPixel": 1,
    "NumberOfFrames": 3,
    "PhotometricInterpretation": "MONOCHROME2",
    "PixelData": bytes(range(144)),
}


def corpus() -> list[Path]:
    own = [Path(path) for path in get_testdata_files() if Path(path).is_file()]
    folder = os.environ.get("STUDIES")
    return own + ([path for path in Path(folder).rglob("*") if path.is_file()] if folder else [])


def accepted() -> list[Path]:
    paths = []
    for path in corpus():
        try:
            scan(path.read_bytes())
            paths.append(path)
        except errors.InstanceRefused:
            continue
    return paths


def test_most_real_files_are_taken() -> None:
    assert len(accepted()) > 120


@pytest.mark.filterwarnings("ignore")
def test_pydicom_reads_the_same_from_every_file() -> None:
    for path in accepted():
        header, ds = scan(path.read_bytes()), pydicom.dcmread(path)
        assert header.sop_instance_uid == ds.SOPInstanceUID
        assert header.study_instance_uid == ds.StudyInstanceUID
        assert header.series_instance_uid == ds.SeriesInstanceUID
        assert header.transfer_syntax_uid == ds.file_meta.TransferSyntaxUID
        assert (header.rows, header.columns) == (ds.get("Rows"), ds.get("Columns"))
        if "PixelData" in ds and header.transfer_syntax_uid not in filemeta.DEFLATED:
            assert header.pixel_value_offset == ds["PixelData"].file_tell


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("step", [1, 2, 7, 4096, 65536])
def test_chunk_size_does_not_change_the_header(step: int) -> None:
    small = [path for path in accepted() if path.stat().st_size < (20_000 if step < 8 else 1 << 20)]
    assert len(small) > 30
    for path in small:
        data = path.read_bytes()
        assert scan(data, step=step) == scan(data) == scan(data, step=step, sized=False)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED])
def test_every_encoding_gives_the_same_header(syntax: str) -> None:
    header = scan(made(syntax, **NATIVE))
    assert (header.patient_id, header.accession_number) == (b"P1", b"A1")
    assert header.patient_name == "Muster^Änne".encode("latin-1") + b" "
    assert header.issuer_of_accession == b"HOSPITAL"
    assert (header.rows, header.columns, header.number_of_frames) == (4, 6, 3)


def test_native_frames_lie_where_pydicom_finds_them() -> None:
    data = made(EXPLICIT, **NATIVE)
    located = scan(data).frames
    assert located is not None
    offset, length = located.fragments(1)[0]
    assert data[offset : offset + length] == NATIVE["PixelData"][48:96]  # type: ignore[index]


def test_deflated_pixels_have_no_place_in_the_file() -> None:
    header = scan(made(DEFLATED, **NATIVE))
    assert (header.pixel_offset, header.pixel_length, header.frames) == (None, None, None)


def test_short_pixel_data_is_a_fact_not_a_refusal() -> None:
    header = scan(made(EXPLICIT, **{**NATIVE, "PixelData": bytes(100)}))
    assert header.pixel_short
    assert header.frames is None


def jpeg_file(pixels: bytes, *, count: int, **more: object) -> bytes:
    image = {**NATIVE, "NumberOfFrames": count, "PixelData": pixels, **more}
    return made(JPEG, **image)


def frame_bytes(data: bytes) -> list[bytes]:
    located = scan(data).frames
    assert located is not None
    return [b"".join(data[a : a + n] for a, n in located.fragments(index)) for index in range(located.count)]


FRAMES = [b"first frame.", b"second", b"the third one "]


@pytest.mark.parametrize("fragments", [1, 2, 3])
def test_basic_offset_table_groups_fragments(fragments: int) -> None:
    data = jpeg_file(encapsulate(FRAMES, fragments_per_frame=fragments), count=3)
    assert [frame.rstrip(b"\0") for frame in frame_bytes(data)] == FRAMES


def test_one_fragment_each_needs_no_table() -> None:
    assert frame_bytes(jpeg_file(encapsulate(FRAMES, has_bot=False), count=3)) == FRAMES


def test_single_frame_takes_all_fragments() -> None:
    data = jpeg_file(encapsulate([b"one frame in some"], fragments_per_frame=3, has_bot=False), count=1)
    assert frame_bytes(data)[0].rstrip(b"\0") == b"one frame in some"


def test_extended_offset_table_is_used() -> None:
    pixels, offsets, lengths = encapsulate_extended(FRAMES)
    more = {"ExtendedOffsetTable": offsets, "ExtendedOffsetTableLengths": lengths}
    assert frame_bytes(jpeg_file(pixels, count=3, **more)) == FRAMES


def test_offset_table_that_names_no_fragment_is_not_believed() -> None:
    data = jpeg_file(encapsulate(FRAMES), count=3)
    forged = data.replace(struct.pack("<3I", 0, 20, 34), struct.pack("<3I", 0, 21, 34))
    assert forged != data
    assert frame_bytes(forged) == FRAMES


def test_fragments_that_cannot_be_told_apart_are_unknown() -> None:
    data = jpeg_file(encapsulate(FRAMES, fragments_per_frame=2, has_bot=False), count=3)
    assert scan(data).frames is None


def test_frame_beyond_the_last_is_an_index_error() -> None:
    located = frames.NativeFrames(0, 10, 2)
    with pytest.raises(IndexError):
        located.fragments(2)


def test_header_is_routed_before_the_pixels_have_come() -> None:
    data = made(EXPLICIT, **NATIVE)
    scanner = part10.Scanner(size=len(data))
    scanner.feed(data[: data.index(b"UI\x04\x001.4\0") + 8])
    assert scanner.routed
    assert (scanner.header.patient_id, scanner.header.series_instance_uid) == (b"P1", "1.4")


def test_header_before_routing_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(RuntimeError):
        _ = part10.Scanner().header


# --- cut off ---


@pytest.mark.parametrize("sized", [True, False])
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED, JPEG])
def test_every_cut_is_refused_or_lies_between_two_elements(syntax: str, sized: bool) -> None:
    pixels = encapsulate(FRAMES) if syntax == JPEG else NATIVE["PixelData"]
    data = made(syntax, **{**NATIVE, "PixelData": pixels})
    whole = scan(data)
    for end in range(len(data)):
        try:
            header = scan(data[:end], sized=sized)
        except errors.InstanceRefused:
            continue
        assert syntax != DEFLATED
        assert header.pixel_offset is None
        assert header.sop_instance_uid == whole.sop_instance_uid


def test_random_cuts_of_real_files_are_refused_when_the_size_is_announced() -> None:
    rng = random.Random(50)
    for path in rng.sample(accepted(), 30):
        data = path.read_bytes()
        for end in (rng.randrange(len(data)) for _ in range(50)):
            scanner = part10.Scanner(size=len(data))
            with pytest.raises(errors.InstanceRefused):
                scanner.feed(data[:end])
                scanner.finish()


def test_value_beyond_the_announced_size_is_refused_at_once() -> None:
    data = part10_file(UIDS + element(0x7FE00010, "OW", b"", length=1 << 30))
    with pytest.raises(errors.TruncatedInstance):
        part10.Scanner(size=len(data)).feed(data)


def test_more_than_announced_is_refused() -> None:
    scanner = part10.Scanner(size=200)
    with pytest.raises(errors.MalformedInstance):
        scanner.feed(part10_file())


# --- forged ---


def refused(data_set: bytes, syntax: str = EXPLICIT) -> type[errors.InstanceRefused]:
    with pytest.raises(errors.InstanceRefused) as caught:
        scan(part10_file(data_set, syntax=syntax))
    return caught.type


@pytest.mark.parametrize("uid", [b"../../etc", b"", b"1..2", b".1", b"1.", b"1" * 65, b"1.2a", b"1 2", b"1.2\n"])
def test_malformed_uid_is_refused(uid: bytes) -> None:
    assert refused(UIDS.replace(element(0x0020000D, "UI", b"1.2"), element(0x0020000D, "UI", uid))) is (
        errors.MalformedInstance
    )


@pytest.mark.parametrize("uid", [b"1.2\0", b"1.2  ", b"1.02.003", b"2." + b"9" * 62])
def test_uids_of_real_files_are_taken(uid: bytes) -> None:
    data_set = UIDS.replace(element(0x0020000D, "UI", b"1.2"), element(0x0020000D, "UI", uid))
    assert scan(part10_file(data_set)).study_instance_uid == uid.decode().rstrip("\0 ")


@pytest.mark.parametrize("tag", [0x00080016, 0x00080018, 0x0020000D, 0x0020000E])
def test_missing_uid_is_refused(tag: int) -> None:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    assert refused(UIDS.replace(head, head[:2] + b"\x0c\x00")) is errors.MalformedInstance


@pytest.mark.parametrize(
    "data_set",
    [
        pytest.param(UIDS + element(0x00100020, "LO", b"late"), id="patient after routing"),
        pytest.param(element(0x00080018, "UI", b"1.2.9") + UIDS, id="repeated"),
        pytest.param(element(0x00000002, "UI", b"1.2") + UIDS, id="command group"),
        pytest.param(UIDS + element(0x00020010, "UI", b"1.2"), id="file meta in the data set"),
        pytest.param(UIDS + ITEM, id="item at the top"),
        pytest.param(UIDS + ITEM_END, id="delimiter at the top"),
        pytest.param(UIDS + element(0x00400275, "SQ", item(b"abc")), id="crumbs in an item"),
        pytest.param(UIDS + element(0x00400275, "SQ", ITEM), id="item never closed in its sequence"),
        pytest.param(UIDS + element(0x00400275, "SQ", UIDS), id="elements in place of items"),
        pytest.param(UIDS + element(0x00400275, "SQ", item(element(1 << 20, "LO", b"", length=9))), id="overrun"),
        pytest.param(UIDS + element(0x00400275, "UT", b"", length=0xFFFFFFFF), id="text without a length"),
        pytest.param(UIDS + element(0x7FE00010, "OW", b"12") * 2, id="pixels twice"),
        pytest.param(UIDS + element(0x00200011, "IS", b"1" * 2000), id="endless number"),
        pytest.param(UIDS + element(0x7FE00010, "OB", ITEM, length=0xFFFFFFFF), id="fragment without a length"),
    ],
)
def test_forged_data_set_is_refused(data_set: bytes) -> None:
    assert refused(data_set) in (errors.MalformedInstance, errors.TruncatedInstance)


@pytest.mark.parametrize(
    "data_set",
    [
        pytest.param(UIDS + element(0x00280030, "  ", b"1\\1"), id="blanks for a VR"),
        pytest.param(UIDS + element(0x00280030, "\0\0", b"1\\1"), id="zeros for a VR"),
        pytest.param(UIDS + element(0x00280030, "DS", b"odd"), id="odd length"),
        pytest.param(element(0x00080000, "UL", b"\0" * 4) + UIDS, id="group length"),
        pytest.param(UIDS + element(0xFFFCFFFC, "OB", b"\0" * 9), id="padding"),
        pytest.param(
            UIDS + element(0x00291010, "UN", ITEM + struct.pack("<HHI", 8, 0x60, 2) + b"CT" + ITEM_END + SEQUENCE_END,
                           length=0xFFFFFFFF), id="unknown sequence in implicit VR"),
        pytest.param(UIDS + element(0x00880200, "SQ", item(element(
            0x7FE00010, "OB", item(b"") + item(b"abc") + SEQUENCE_END, length=0xFFFFFFFF))), id="icon"),
    ],
)  # fmt: skip
def test_wrinkles_of_real_files_are_taken(data_set: bytes) -> None:
    for step in (1, 4096):
        assert scan(part10_file(data_set), step=step).series_instance_uid == "1.4"


def test_nested_values_are_not_taken_for_those_of_the_instance() -> None:
    nested = item(element(0x00100020, "LO", b"OTHER") + element(0x00080018, "UI", b"9.9"))
    data_set = element(0x00080016, "UI", CT.encode()) + element(0x00080018, "UI", b"1.2.3")
    data_set += element(0x00081115, "SQ", nested) + element(0x00100020, "LO", b"MINE")
    data_set += element(0x0020000D, "UI", b"1.2") + element(0x0020000E, "UI", b"1.4")
    header = scan(part10_file(data_set))
    assert (header.patient_id, header.sop_instance_uid) == (b"MINE", "1.2.3")


def test_other_names_in_file_meta_are_a_fact() -> None:
    assert not scan(part10_file()).meta_differs
    assert scan(part10_file(UIDS.replace(b"1.2.3", b"1.2.4"))).meta_differs


@pytest.mark.parametrize(
    "start",
    [
        *(b"MZ\x90", b"\x7fELF", b"PK\x03\x04", b"#!/bin/sh", b"<html>", b" \r\n\t<svg", b"\xef\xbb\xbf<x"),
        *(b"%PDF-1.7", b"GIF %PDF"),
        *(b"\xca\xfe\xba\xbe", b"\xfe\xed\xfa\xcf", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe"),
    ],
)
def test_preamble_that_runs_or_renders_is_refused(start: bytes) -> None:
    with pytest.raises(errors.UnsafeInstance):
        scan(part10_file(preamble=start.ljust(128, b"\0")))


@pytest.mark.parametrize("start", [b"", b"II*\0\x08", b"MM\0*", b"II+\0", b"vendor text"])
def test_harmless_preamble_is_kept(start: bytes) -> None:
    assert scan(part10_file(preamble=start.ljust(128, b"\0"))).sop_instance_uid == "1.2.3"


@pytest.mark.parametrize("data", [b"", b"DICM", bytes(131), bytes(500), b"MZ" + bytes(300), UIDS])
def test_without_part_10_header_it_is_not_dicom(data: bytes) -> None:
    with pytest.raises(errors.NotDicom):
        scan(data)


def test_directory_is_refused() -> None:
    with pytest.raises(errors.UnsupportedClass):
        part10.Scanner().feed(part10_file(b"", sop_class="1.2.840.10008.1.3.10"))


def test_missing_transfer_syntax_is_refused() -> None:
    with pytest.raises(errors.MalformedInstance):
        scan(part10_file().replace(b"\x02\x00\x10\x00", b"\x02\x00\x16\x00", 1))


def test_endless_file_meta_is_refused() -> None:
    more = b"".join(element(0x00020102, "OB", bytes(1000)) for _ in range(100))
    with pytest.raises(errors.MalformedInstance):
        scan(bytes(128) + b"DICM" + more, step=1000)


# --- bounds ---


def nested(depth: int) -> bytes:
    return element(0x00400275, "SQ", ITEM, length=0xFFFFFFFF) * depth + (ITEM_END + SEQUENCE_END) * depth


def test_depth_is_bounded() -> None:
    assert scan(part10_file(UIDS + nested(elements.MAX_DEPTH))).series_instance_uid == "1.4"
    assert refused(UIDS + nested(elements.MAX_DEPTH + 1)) is errors.MalformedInstance


def test_hundred_thousand_levels_in_a_few_kilobytes_are_refused_at_once() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(UIDS + nested(100_000)) + packer.flush()
    assert len(body) < 20_000
    began = time.perf_counter()
    assert refused(body, DEFLATED) is errors.MalformedInstance
    assert time.perf_counter() - began < 0.5


def test_deflate_bomb_is_refused_in_bounded_memory() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = element(0x7FE00010, "OW", b"", length=0x7FFFFFF0)
    body = packer.compress(UIDS + head) + packer.compress(bytes(64 << 20)) + packer.flush()
    tracemalloc.start()
    with pytest.raises(errors.UnsafeInstance):
        scan(part10_file(body, syntax=DEFLATED))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20


def test_octets_behind_the_deflated_data_set_are_refused() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(UIDS) + packer.flush()
    assert scan(part10_file(body + bytes(8), syntax=DEFLATED)).series_instance_uid == "1.4"
    assert refused(body + bytes(10), DEFLATED) is errors.MalformedInstance


def test_many_items_pass_in_flat_memory() -> None:
    contour = item(element(0x30060050, "DS", b"1\\2\\3\\4 "))
    rows = element(0x30060040, "SQ", contour * 20_000, length=0xFFFFFFFF) + SEQUENCE_END
    data = part10_file(UIDS + rows)
    tracemalloc.start()
    scan(data, step=65536)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500_000


def test_half_a_gigabyte_of_pixels_is_stepped_over() -> None:
    scanner = part10.Scanner()
    scanner.feed(part10_file(UIDS + element(0x7FE00010, "OW", b"", length=500 << 20)))
    chunk = bytes(1 << 20)
    for _ in range(500):
        scanner.feed(chunk)
    assert scanner.finish().pixel_length == 500 << 20


CT_SMALL = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()[:8000]
SEEDS = [made(EXPLICIT, **NATIVE), made(IMPLICIT, **NATIVE), made(BIG, **NATIVE), CT_SMALL]
SEEDS += [made(DEFLATED, **NATIVE), jpeg_file(encapsulate(FRAMES), count=3)]


@settings(max_examples=400, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    flips=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=8),
    step=st.sampled_from([64, 1 << 18]),
)
def test_forged_octets_are_read_or_refused_and_nothing_else(
    seed: bytes, flips: list[tuple[int, int]], step: int
) -> None:
    data = bytearray(seed)
    for at, value in flips:
        data[at % len(data)] = value
    outcomes: list[object] = []
    for size in (step, len(data)):
        try:
            outcomes.append(scan(bytes(data), step=size))
        except errors.InstanceRefused as refusal:
            outcomes.append(type(refusal))
    assert outcomes[0] == outcomes[1]
