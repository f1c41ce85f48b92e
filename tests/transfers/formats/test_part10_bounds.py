"""The header scanner keeps its bounds of depth, time and memory, whatever octets come."""

import time
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate

from tests.transfers.formats.part10_files import (
    BIG,
    DEFLATED,
    EXPLICIT,
    FRAMES,
    IMPLICIT,
    ITEM,
    ITEM_END,
    NATIVE,
    SEQUENCE_END,
    UIDS,
    element,
    item,
    jpeg_file,
    made,
    part10_file,
    refused,
    scan,
)
from transfers import errors
from transfers.formats import elements, part10


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
