"""Joined CRC-32 values against zlib's reading of the whole."""

import random
import zlib

import pytest

from transfers.formats import checksum


def test_any_split_joins_to_the_crc_of_the_whole() -> None:
    rng = random.Random(32)
    for _ in range(300):
        data = rng.randbytes(rng.randrange(3000))
        cut = rng.randrange(len(data) + 1)
        joined = checksum.crc32_combine(zlib.crc32(data[:cut]), zlib.crc32(data[cut:]), len(data) - cut)
        assert joined == zlib.crc32(data)


def test_length_beyond_four_gigabytes() -> None:
    """The same 8 GiB of zeros, joined in halves and octet by octet from the end."""
    half = zlib.crc32(bytes(1 << 20))
    size = 1 << 20
    while size < 1 << 33:
        half = checksum.crc32_combine(half, half, size)
        size *= 2
    one = checksum.crc32_combine(half, zlib.crc32(b"\0"), 1)
    assert one == checksum.crc32_combine(zlib.crc32(b"\0"), half, size)


def test_nothing_appended_changes_nothing() -> None:
    assert checksum.crc32_combine(zlib.crc32(b"abc"), zlib.crc32(b""), 0) == zlib.crc32(b"abc")


def test_negative_length_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        checksum.crc32_combine(1, 2, -1)
