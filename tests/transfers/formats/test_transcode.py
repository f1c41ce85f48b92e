"""Headers of what is decoded: what changes, what stays, how long it will be."""

import io
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from transfers import errors
from transfers.formats import transcode

RLE = "1.2.840.10008.1.2.5"
BASELINE = "1.2.840.10008.1.2.4.50"
EXPLICIT = "1.2.840.10008.1.2.1"


def octets(ds: Dataset) -> bytes:
    written = DicomBytesIO()
    written.is_little_endian, written.is_implicit_VR = True, False
    write_dataset(written, ds)
    return written.getvalue()


def header(**attributes: object) -> Dataset:
    ds = Dataset()
    values = {
        "PatientName": "Doe^Jane",
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "YBR_FULL_422",
        "NumberOfFrames": "3",
        "Rows": 5,
        "Columns": 7,
        "BitsAllocated": 8,
        **attributes,
    }
    for keyword, value in values.items():
        if value is not None:
            setattr(ds, keyword, value)
    return ds


def rewritten(ds: Dataset, *, syntax: str = BASELINE) -> Dataset:
    data = octets(ds)
    image = transcode.image_of(data, transfer_syntax_uid=syntax)
    made = transcode.native_elements(data, image, transfer_syntax_uid=syntax)
    return pydicom.dcmread(io.BytesIO(made + bytes(transcode.native_length(image))), force=True)


def test_size_is_known_from_the_header_and_even() -> None:
    image = transcode.image_of(octets(header()), transfer_syntax_uid=BASELINE)
    assert (image.frame_size, transcode.native_length(image)) == (105, 316)


def test_lossy_colours_become_red_green_blue_by_pixel() -> None:
    found = rewritten(header(PlanarConfiguration=1))
    assert (found.PhotometricInterpretation, found.PlanarConfiguration) == ("RGB", 0)


def test_lossless_colours_stay() -> None:
    assert rewritten(header(PhotometricInterpretation="YBR_FULL"), syntax=RLE).PhotometricInterpretation == "YBR_FULL"


def test_missing_planar_configuration_is_put_in_its_place() -> None:
    found = rewritten(header())
    tags = list(found.keys())
    assert found.PlanarConfiguration == 0
    assert tags == sorted(tags)


def test_offset_tables_and_group_lengths_go_and_the_rest_stays() -> None:
    ds = header()
    ds.add_new(0x00100000, "UL", 8)
    ds.add_new(0x7FE00001, "OV", bytes(8))
    ds.add_new(0x7FE00002, "OV", bytes(8))
    found = rewritten(ds)
    assert not {0x00100000, 0x7FE00001, 0x7FE00002}.intersection(found.keys())
    assert found.PatientName == "Doe^Jane"


def test_icon_that_is_compressed_goes_with_its_compression() -> None:
    icon = header(NumberOfFrames=None, SamplesPerPixel=1)
    icon.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xd9"])
    icon["PixelData"].VR = "OB"
    icon["PixelData"].is_undefined_length = True
    assert "IconImageSequence" not in rewritten(header(IconImageSequence=Sequence([icon])))


def test_icon_that_is_not_compressed_stays() -> None:
    icon = header(NumberOfFrames=None, SamplesPerPixel=1)
    icon.PixelData = bytes(36)
    icon["PixelData"].VR = "OB"
    assert len(rewritten(header(IconImageSequence=Sequence([icon]))).IconImageSequence) == 1


@pytest.mark.parametrize("gone", ["Rows", "Columns", "BitsAllocated"])
def test_header_that_makes_no_picture_is_refused(gone: str) -> None:
    with pytest.raises(errors.MalformedInstance):
        transcode.image_of(octets(header(**{gone: None})), transfer_syntax_uid=BASELINE)


def test_header_that_is_cut_off_is_refused() -> None:
    with pytest.raises(errors.MalformedInstance):
        transcode.image_of(octets(header())[:-3], transfer_syntax_uid=BASELINE)


def test_pixels_of_a_plain_data_set_are_found() -> None:
    path = get_testdata_file("CT_small.dcm", download=False)
    ds = pydicom.dcmread(io.BytesIO(Path(str(path)).read_bytes()))
    found = transcode.native_pixels(octets(ds))
    assert found is not None
    assert octets(ds)[found.start : found.stop] == ds.PixelData
