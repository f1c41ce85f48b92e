"""One value found by its path, in every uncompressed syntax."""

import io

import pydicom
import pytest
from pydicom.dataset import Dataset

from transfers import errors
from transfers.formats import locating


def data_set(*, undefined: bool) -> Dataset:
    ds, item, inner = Dataset(), Dataset(), Dataset()
    inner.add_new(0x00420011, "OB", b"inner document")
    item.ReferencedStudySequence = [Dataset(), inner]
    item["ReferencedStudySequence"].is_undefined_length = undefined
    ds.PatientName = "Doe^Jane"
    other = Dataset()
    other.PatientID = "1"
    other.is_undefined_length_sequence_item = undefined
    ds.RequestAttributesSequence = [other, item]
    ds["RequestAttributesSequence"].is_undefined_length = undefined
    ds.Rows = 16
    ds.add_new(0x00281201, "OW", bytes(range(200)))
    return ds


def find(path: list[int], *, implicit: bool, little: bool, undefined: bool, cut: int = 0) -> bytes:
    file = io.BytesIO()
    pydicom.dcmwrite(
        file, data_set(undefined=undefined), implicit_vr=implicit, little_endian=little, force_encoding=True
    )
    octets = file.getvalue()[: -cut or None]
    value = locating.find(
        lambda offset, length: octets[offset : offset + length],
        path,
        start=0,
        stop=len(octets),
        is_implicit=implicit,
        is_big=not little,
    )
    return octets[value.start : value.stop]


SYNTAXES = pytest.mark.parametrize(
    ("implicit", "little", "undefined"),
    [(True, True, False), (True, True, True), (False, True, False), (False, True, True), (False, False, True)],
)


@SYNTAXES
def test_top_level_is_found_behind_sequences(implicit: bool, little: bool, undefined: bool) -> None:
    assert find([0x00281201], implicit=implicit, little=little, undefined=undefined) == bytes(range(200))


@SYNTAXES
def test_inner_value_is_found_by_its_path(implicit: bool, little: bool, undefined: bool) -> None:
    path = [0x00400275, 1, 0x00081110, 1, 0x00420011]
    assert find(path, implicit=implicit, little=little, undefined=undefined) == b"inner document"


@pytest.mark.parametrize("path", [[0x00280012], [0x00400275], [0x00400275, 2, 0x00100020], [0x00100010, 0, 0x00100020]])
def test_what_is_not_there_is_not_found(path: list[int]) -> None:
    with pytest.raises(errors.NotFound):
        find(path, implicit=False, little=True, undefined=True)


def test_cut_data_set_ends_the_search() -> None:
    with pytest.raises((errors.NotFound, errors.MalformedInstance)):
        find([0x7FE00010], implicit=False, little=True, undefined=True, cut=195)
