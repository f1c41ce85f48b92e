"""The vault on a disk: what is written is read, sealed, authentic and nobody else's."""

import os
from pathlib import Path

import pytest

from tests.transfers.vault.packs import CT, KEY, MR, PREFIX, get, put
from transfers import errors, vault
from transfers.formats import envelope


def test_what_is_written_is_read(writer: vault.PackWriter) -> None:
    stretches = [put(writer, CT), put(writer, b""), put(writer, MR)]
    writer.sync()
    assert [get(writer, stretch) for stretch in stretches] == [CT, b"", MR]


def test_stretches_follow_each_other_behind_the_version(writer: vault.PackWriter, folder: Path) -> None:
    first, second = put(writer, CT), put(writer, MR)
    assert (first.ordinal, first.offset) == (0, 1)
    assert (second.ordinal, second.offset) == (1, 1 + envelope.sealed_size(len(CT)))
    stored = (folder / writer.name).read_bytes()
    assert stored[0] == envelope.VERSION
    assert len(stored) == second.offset + second.sealed_length == vault.size(writer.name)


def test_only_ciphertext_is_stored(writer: vault.PackWriter, folder: Path) -> None:
    put(writer, b"Mrs X" * 1000)
    assert b"Mrs X" not in (folder / writer.name).read_bytes()


def test_files_and_folders_are_ours_alone(writer: vault.PackWriter, folder: Path) -> None:
    file = folder / writer.name
    assert [one.stat().st_mode & 0o777 for one in (file, file.parent, folder)] == [0o600, 0o700, 0o700]


def test_a_range_is_a_slice(writer: vault.PackWriter) -> None:
    stretch = put(writer, CT)
    part = vault.read(writer.name, key=KEY, aad_prefix=PREFIX, stretch=stretch, start=262_000, stop=300_000)
    assert b"".join(part) == CT[262_000:300_000]


def test_a_long_read_is_not_cut_to_the_buffer(writer: vault.PackWriter, folder: Path) -> None:
    put(writer, bytes(3 << 20))
    with vault.store().reader(writer.name) as read_at:
        assert read_at(0, 3 << 20) == (folder / writer.name).read_bytes()[: 3 << 20]


def test_reads_side_by_side_do_not_mix(writer: vault.PackWriter) -> None:
    stretches = [put(writer, CT), put(writer, MR)]
    readings = [vault.read(writer.name, key=KEY, aad_prefix=PREFIX, stretch=stretch) for stretch in stretches]
    heads = [next(reading) for reading in readings]
    found = [head + b"".join(reading) for head, reading in zip(heads, readings, strict=True)]
    assert found == [CT, MR]


def test_a_document_is_no_instance(writer: vault.PackWriter) -> None:
    writer.begin(kind=vault.DOCUMENT)
    writer.write(b"report")
    stretch = writer.end()
    as_document = vault.read(writer.name, key=KEY, aad_prefix=PREFIX, stretch=stretch, kind=vault.DOCUMENT)
    assert b"".join(as_document) == b"report"
    with pytest.raises(errors.Integrity):
        get(writer, stretch)


@pytest.mark.parametrize("prefix", [(b"other", b"t1", b"p1"), (b"st-elsewhere", b"t2", b"p1")])
def test_another_transfer_reads_nothing(writer: vault.PackWriter, prefix: vault.AadPrefix) -> None:
    stretch = put(writer, MR)
    with pytest.raises(errors.Integrity):
        get(writer, stretch, prefix=prefix)


def test_a_stretch_under_another_ordinal_is_refused(writer: vault.PackWriter) -> None:
    stretch = put(writer, MR)
    with pytest.raises(errors.Integrity):
        get(writer, vault.Stretch(1, stretch.offset, stretch.sealed_length))


def test_a_flipped_bit_is_refused(writer: vault.PackWriter, folder: Path) -> None:
    stretch = put(writer, MR)
    stored = bytearray((folder / writer.name).read_bytes())
    stored[1000] ^= 4
    (folder / writer.name).write_bytes(stored)
    with pytest.raises(errors.Integrity):
        get(writer, stretch)


def test_a_shortened_file_is_refused(writer: vault.PackWriter, folder: Path) -> None:
    stretch = put(writer, MR)
    os.truncate(folder / writer.name, 5000)
    with pytest.raises(errors.Integrity):
        get(writer, stretch)


@pytest.mark.parametrize("version", [b"\x00", b"\x02", b""])
def test_an_unknown_version_is_refused(writer: vault.PackWriter, folder: Path, version: bytes) -> None:
    stretch = put(writer, MR)
    (folder / writer.name).write_bytes(version + (folder / writer.name).read_bytes()[1:] if version else b"")
    with pytest.raises(errors.Integrity):
        get(writer, stretch)


def test_a_missing_object_is_told_from_missing_storage(writer: vault.PackWriter, folder: Path) -> None:
    stretch = put(writer, MR)
    vault.delete(writer.name)
    with pytest.raises(errors.Integrity):
        get(writer, stretch)
    folder.rename(folder.with_name("unplugged"))
    with pytest.raises(errors.StorageUnavailable):
        get(writer, stretch)
    with pytest.raises(errors.StorageUnavailable):
        vault.exists(writer.name)


def test_no_file_stays_open(writer: vault.PackWriter) -> None:
    stretch = put(writer, CT)
    before = os.listdir("/proc/self/fd")
    reading = vault.read(writer.name, key=KEY, aad_prefix=PREFIX, stretch=stretch)
    next(reading)
    reading.close()  # type: ignore[attr-defined]  # a generator, which a door closes when its client leaves
    assert os.listdir("/proc/self/fd") == before
