"""Images, reports and presentation states whose pictures are known beforehand."""

import io
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests import factories, sealing
from tests.exchange.dicomweb.conftest import Site
from transfers.models import Instance

RAMP = np.arange(256, dtype="<u2").reshape(16, 16)
GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
BASIC_TEXT = "1.2.840.10008.5.1.4.1.1.88.11"


def shipped(name: str) -> bytes:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    return Path(path).read_bytes()


def send(alice: Site, bob: Site, *files: bytes) -> list[str]:
    """The paths of instances sent from Alice to Bob."""
    transfer = sealing.send(files, sender=alice.organization, to=[bob.organization])
    return [
        f"/dicomweb/studies/{one.study.study_instance_uid}/series/{one.series.series_instance_uid}"
        f"/instances/{one.sop_instance_uid}"
        for one in Instance.objects.filter(transfer=transfer).select_related("study", "series").order_by("pk")
    ]


def ramp(**attributes: object) -> bytes:
    return factories.make_ct(pixels=RAMP.tobytes(), WindowCenter=128, WindowWidth=256, **attributes)


def picture(octets: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(Image.open(io.BytesIO(octets))).astype(np.int64)


def state_for(file: bytes, **attributes: object) -> bytes:
    """A presentation state that speaks of one image."""
    image = pydicom.dcmread(io.BytesIO(file))
    reference, series = Dataset(), Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedImageSequence = image.SeriesInstanceUID, Sequence([reference])
    shape = dict.fromkeys(("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"))
    return factories.make_ct(
        pixels=b"",
        SOPClassUID=GSPS,
        StudyInstanceUID=image.StudyInstanceUID,
        Modality="PR",
        ReferencedSeriesSequence=Sequence([series]),
        **{**shape, "SamplesPerPixel": None, "PhotometricInterpretation": None, **attributes},
    )


def report(**attributes: object) -> bytes:
    name, item = Dataset(), Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "1", "L", "Finding"
    item.RelationshipType, item.ValueType, item.TextValue = "CONTAINS", "TEXT", "<script>alert(1)</script> Größe 3 cm"
    item.ConceptNameCodeSequence = Sequence([name])
    return factories.make_ct(
        pixels=b"", SOPClassUID=BASIC_TEXT, Modality="SR", Rows=None, ContentSequence=Sequence([item]), **attributes
    )
