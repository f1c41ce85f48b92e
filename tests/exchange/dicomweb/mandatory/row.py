"""A request, and the answer that the standard gives it or that docs/conformance.md states."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

STUDY: Final = "{root}/studies/{study}"
IMAGE: Final = STUDY + "/series/{series}/instances/{image}"
SERIES: Final = STUDY + "/series/{series}"
FRAMES: Final = STUDY + "/series/{colour_series}/instances/{colour}"
REPORT: Final = STUDY + "/series/{report_series}/instances/{report}"
STATE: Final = STUDY + "/series/{state_series}/instances/{state}"
WADO: Final = "/wado?requestType=WADO&studyUID={study}&seriesUID={series}&objectUID={image}"
WADO_FRAMES: Final = "/wado?requestType=WADO&studyUID={study}&seriesUID={colour_series}&objectUID={colour}"
WADO_REPORT: Final = "/wado?requestType=WADO&studyUID={study}&seriesUID={report_series}&objectUID={report}"


@dataclass(frozen=True)
class Row:
    section: str
    what: str
    path: str  # with names of what the tests send, in braces
    accept: str = "*/*"
    status: int = 200
    gives: str = ""  # how the Content-Type begins
    says: str = ""  # part of the Warning, of the Allow or of any other header
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: str = ""  # the name of a body
    media_type: str = ""  # of that body
    deviates: str = ""

    @property
    def id(self) -> str:
        return f"{self.section} {self.what}"


def parts(root: str) -> str:
    return f'multipart/related; type="{root}"'


DICOM, JSON, XML, OCTETS = (
    "application/dicom",
    "application/dicom+json",
    "application/dicom+xml",
    "application/octet-stream",
)
FILES, MODELS, VALUES = parts(DICOM), parts(XML), parts(OCTETS)
LITTLE: Final = "1.2.840.10008.1.2.1"
