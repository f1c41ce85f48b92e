"""Archives read by zipfile and unzip, whole, in ranges, and larger than any disk here."""

import io
import random
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from transfers import errors
from transfers.formats import zipstream

MODIFIED = datetime(2026, 11, 24, 13, 45, 30)  # noqa: DTZ001 - ZIP has no time zones
FILES = {
    "DICOM/IM000001": b"DICM" * 5000,
    "README.TXT": b"",
    "BEFUNDE/Grüße 日本.pdf": bytes(range(256)) * 3,
    "DICOM/IM000002": b"x",
}


def entry(name: str, content: bytes) -> zipstream.Entry:
    return zipstream.Entry(name=name, size=len(content), crc32=zlib.crc32(content), modified=MODIFIED)


def archive() -> zipstream.Archive:
    return zipstream.Archive([entry(name, content) for name, content in FILES.items()])


def open_entry(index: int, start: int, stop: int) -> Iterator[bytes]:
    content = list(FILES.values())[index][start:stop]
    return (content[at : at + 1000] for at in range(0, len(content), 1000))


def whole() -> bytes:
    return b"".join(archive().iter_bytes(open_entry))


def test_zipfile_reads_every_entry() -> None:
    with zipfile.ZipFile(io.BytesIO(whole())) as read:
        assert read.testzip() is None
        assert {name: read.read(name) for name in read.namelist()} == FILES


def test_entries_carry_their_time() -> None:
    with zipfile.ZipFile(io.BytesIO(whole())) as read:
        assert {info.date_time for info in read.infolist()} == {(2026, 11, 24, 13, 45, 30)}


@pytest.mark.peers
def test_unzip_finds_no_fault(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(whole())
    done = subprocess.run(["unzip", "-t", str(tmp_path / "a.zip")], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout


def test_size_is_known_beforehand() -> None:
    assert archive().size == len(whole())


def test_any_range_is_a_slice_of_the_whole() -> None:
    data, layout, rng = whole(), archive(), random.Random(4)
    for _ in range(500):
        start, stop = sorted(rng.randrange(layout.size + 1) for _ in range(2))
        assert b"".join(layout.iter_bytes(open_entry, start, stop)) == data[start:stop]


def test_equal_entries_give_equal_octets() -> None:
    assert whole() == whole()


def test_empty_archive_is_an_archive() -> None:
    data = b"".join(zipstream.Archive([]).iter_bytes(open_entry))
    assert zipfile.ZipFile(io.BytesIO(data)).namelist() == []


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 4), (0, 10**9)])
def test_range_outside_is_refused(start: int, stop: int) -> None:
    with pytest.raises(errors.RangeNotSatisfiable):
        list(archive().pieces(start, stop))


@pytest.mark.parametrize("given", [b"12345", b"1234567"])
def test_entry_of_another_size_is_an_integrity_error(given: bytes) -> None:
    layout = zipstream.Archive([entry("a", b"123456")])
    with pytest.raises(errors.Integrity):
        list(layout.iter_bytes(lambda *_: iter([given])))


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a\\b", "C:/x", "a\x00", "a/", "."])
def test_name_that_leads_astray_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name of an entry"):
        zipstream.Archive([entry(name, b"")])


def test_two_entries_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="one name"):
        zipstream.Archive([entry("a", b"1"), entry("a", b"2")])


class Sparse(io.RawIOBase):
    """A seekable file of an archive's layout in which every content octet is zero."""

    def __init__(self, layout: zipstream.Archive) -> None:
        self.layout = layout
        self.at = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset + (0, self.at, self.layout.size)[whence]
        return self.at

    def read(self, size: int | None = -1) -> bytes:
        stop = self.layout.size if size is None or size < 0 else min(self.layout.size, self.at + size)
        data = b"".join(self.layout.iter_bytes(lambda _, a, b: iter([bytes(b - a)]), self.at, stop))
        self.at = stop
        return data


def test_entries_beyond_four_gigabytes_are_found() -> None:
    sizes = [3, 0xFFFFFFFF, 5 << 30, 7]
    layout = zipstream.Archive(
        [zipstream.Entry(name=f"F{n}", size=size, crc32=0, modified=MODIFIED) for n, size in enumerate(sizes)]
    )
    with zipfile.ZipFile(Sparse(layout)) as read:
        assert [info.file_size for info in read.infolist()] == sizes
        assert read.open("F2").read(10) == bytes(10)
        offset = read.infolist()[-1].header_offset
    assert b"".join(layout.iter_bytes(lambda *_: iter([]), offset, offset + 4)) == b"PK\x03\x04"


def test_more_entries_than_sixteen_bits_count() -> None:
    layout = zipstream.Archive([entry(f"F{n}", b"") for n in range(70_000)])
    data = b"".join(layout.iter_bytes(lambda *_: iter([])))
    assert len(zipfile.ZipFile(io.BytesIO(data)).namelist()) == 70_000


def test_small_archives_stay_free_of_zip64() -> None:
    data = whole()
    assert b"PK\x06\x06" not in data
    assert struct.unpack_from("<H", data, len(data) - 12) == (len(FILES),)
