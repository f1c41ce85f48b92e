"""The header scanner with files cut off and forged: what is refused, and the wrinkles of real files that are not."""

import random
import struct

import pytest
from pydicom.encaps import encapsulate

from tests.transfers.formats.part10_files import (
    BIG,
    CT,
    DEFLATED,
    EXPLICIT,
    FRAMES,
    IMPLICIT,
    ITEM,
    ITEM_END,
    JPEG,
    NATIVE,
    SEQUENCE_END,
    UIDS,
    accepted,
    element,
    item,
    made,
    part10_file,
    refused,
    scan,
)
from transfers import errors
from transfers.formats import part10


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
