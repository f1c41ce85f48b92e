"""The header scanner against pydicom's reading: real files, every encoding, in crumbs, and where frames lie."""

import struct

import pydicom
import pytest
from pydicom.encaps import encapsulate, encapsulate_extended

from tests.transfers.formats.part10_files import (
    BIG,
    DEFLATED,
    EXPLICIT,
    FRAMES,
    IMPLICIT,
    NATIVE,
    accepted,
    jpeg_file,
    made,
    scan,
)
from transfers.formats import filemeta, frames, part10


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


def frame_bytes(data: bytes) -> list[bytes]:
    located = scan(data).frames
    assert located is not None
    return [b"".join(data[a : a + n] for a, n in located.fragments(index)) for index in range(located.count)]


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
