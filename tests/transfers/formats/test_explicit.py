"""Data sets in Explicit VR Little Endian, compared with what pydicom reads in the original."""

import io
from pathlib import Path

import pydicom.data
import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import UID, ExplicitVRBigEndian, ImplicitVRLittleEndian

from transfers import errors
from transfers.formats import explicit, filemeta

SHIPPED = Path(pydicom.data.__file__).parent / "test_files"
SYNTAXES = {ImplicitVRLittleEndian: True, ExplicitVRBigEndian: False}


def originals() -> list[Path]:
    found = []
    for path in sorted(SHIPPED.glob("*.dcm")):
        ds = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        if getattr(ds.file_meta, "TransferSyntaxUID", None) in SYNTAXES and "truncated" not in path.name:
            found.append(path)
    return found


def data_set(ds: Dataset, *, implicit: bool) -> bytes:
    file = io.BytesIO()
    pydicom.dcmwrite(file, ds, implicit_vr=implicit, little_endian=implicit, force_encoding=True)
    return file.getvalue()


def read(octets: bytes) -> Dataset:
    return read_dataset(io.BytesIO(octets), is_implicit_VR=False, is_little_endian=True)


def body_of(path: Path) -> tuple[bytes, bool]:
    file = path.read_bytes()
    meta = filemeta.FileMeta(limit=len(file))
    body = meta.feed(file)
    assert body is not None
    return bytes(body), SYNTAXES[UID(meta.syntax)]


def nested() -> Dataset:
    ds, item, inner = Dataset(), Dataset(), Dataset()
    inner.PatientID = "inner"
    item.add_new(0x00280103, "US", 1)
    item.add_new(0x00280106, "SS", -5)
    item.ReferencedStudySequence = [inner, Dataset()]
    ds.PatientName = "Doe^Jane"
    ds.RequestAttributesSequence = [item]
    ds.ProcedureCodeSequence = []
    ds.add_new(0x00091001, "UN", b"raw1")
    ds.Rows = 258
    return ds


@pytest.mark.parametrize("path", originals(), ids=lambda path: path.name)
def test_real_data_sets_stay_equal(path: Path) -> None:
    body, implicit = body_of(path)
    converted = read(explicit.convert(body, is_implicit=implicit))
    original = pydicom.dcmread(path)
    elements = [element for element in original if element.tag.element and element.keyword != "PixelData"]
    assert [str(converted[one.tag].value) for one in elements] == [str(one.value) for one in elements]


@pytest.mark.parametrize("implicit", [True, False])
def test_sequences_and_signed_values_stay_equal(implicit: bool) -> None:
    converted = read(explicit.convert(data_set(nested(), implicit=implicit), is_implicit=implicit))
    item = converted.RequestAttributesSequence[0]
    assert (item[0x00280106].VR, item[0x00280106].value) == ("SS", -5)
    assert item.ReferencedStudySequence[0].PatientID == "inner"
    assert (len(item.ReferencedStudySequence), len(converted.ProcedureCodeSequence), converted.Rows) == (2, 0, 258)


def test_undefined_lengths_end_with_their_delimiters() -> None:
    ds = nested()
    ds["RequestAttributesSequence"].is_undefined_length = True
    ds.RequestAttributesSequence[0].is_undefined_length_sequence_item = True
    converted = read(explicit.convert(data_set(ds, implicit=True), is_implicit=True))
    assert converted.RequestAttributesSequence[0].ReferencedStudySequence[0].PatientID == "inner"


def test_value_too_long_for_its_vr_becomes_unknown() -> None:
    ds = Dataset()
    ds.add_new(0x00281201, "OW", bytes(70_000))
    ds.add_new(0x00181310, "US", [7] * 40_000)
    converted = read(explicit.convert(data_set(ds, implicit=True), is_implicit=True))
    assert converted[0x00281201].VR == "OW"
    assert explicit.element_head(0x00181310, "US", 80_000)[4:6] == b"UN"


def test_group_lengths_are_left_out() -> None:
    body = bytes.fromhex("0800 0000 04000000 ff000000") + bytes.fromhex("0800 1600 02000000 3120")
    assert explicit.convert(body, is_implicit=True) == bytes.fromhex("0800 1600") + b"UI\x02\x001 "


@pytest.mark.parametrize("implicit", [True, False])
def test_every_cut_is_noticed(implicit: bool) -> None:
    whole = data_set(nested(), implicit=implicit)
    ends = {len(data_set(nested()[: 0x00400275 + 1], implicit=implicit))}
    for size in range(1, len(whole)):
        try:
            explicit.convert(whole[:size], is_implicit=implicit)
        except errors.MalformedInstance:
            continue
        ends.add(size)
    assert len(ends) <= len(nested()) + 1


def test_depth_is_bounded() -> None:
    body = bytes.fromhex("4000 7502 ffffffff feff 00e0 ffffffff") * 100
    with pytest.raises(errors.MalformedInstance):
        explicit.convert(body, is_implicit=True)


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_words_turn_round_and_back(width: int) -> None:
    value = bytes(range(16))
    turned = explicit.swap_words(value, width)
    assert turned[:width] == value[:width][::-1]
    assert explicit.swap_words(turned, width) == value
