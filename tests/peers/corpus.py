"""The files that are pushed: what lies in STUDIES, else what pydicom ships. No code of the exchange reads them here."""

import hashlib
import os
import re
import subprocess
import warnings
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pydicom
import pydicom.data
from pydicom.errors import InvalidDicomError

DICOMDIR_CLASS: Final = "1.2.840.10008.1.3.10"
# PS3.5 Section 9.1, save that a component may begin with zeros: the exchange takes those, as archives do.
UID: Final = re.compile(r"(?=.{1,64}$)[0-9]+(\.[0-9]+)*")
IDENTITY: Final = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "PatientID",
    "IssuerOfPatientID",
    "PatientName",
)
# Failure Reasons of PS3.18 Table 10.5.3-1.
CANNOT_UNDERSTAND, CLASS_NOT_SUPPORTED = 0xC000, 0x0122


@dataclass(frozen=True)
class Original:
    """A file as it lies, and whether anything about it alone forbids storing it."""

    path: Path
    set_name: str
    sha256: str
    study: str = ""
    series: str = ""
    sop_instance: str = ""
    patient: str = ""
    transfer_syntax: str = ""
    flaw: str = ""

    @property
    def refusal(self) -> int:
        """The Failure Reason that a flaw asks for, 0 for none."""
        if not self.flaw:
            return 0
        return CLASS_NOT_SUPPORTED if self.flaw == "a DICOMDIR" else CANNOT_UNDERSTAND

    def is_cut(self) -> bool:
        """Whether DCMTK cannot read it to its end either."""
        dump = ["dcmdump", "--quiet", str(self.path)]
        return bool(subprocess.run(dump, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode)


def load() -> list[Original]:
    """Every file, in the order of its path."""
    folder = os.environ.get("STUDIES", "")
    root = Path(folder) if folder else Path(pydicom.data.__file__).parent / "test_files"
    paths = sorted(path for path in root.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc"))
    assert paths, f"there is no file in {root}"
    with warnings.catch_warnings(action="ignore"):  # pydicom remarks on the flaws that are looked for here
        return [_read(path, root) for path in paths]


def group(originals: Iterable[Original]) -> list[list[Original]]:
    """What may travel together: one patient, one study, each SOP Instance UID once, and what has a flaw alone."""
    taken: dict[tuple[str, ...], list[dict[str, Original]]] = defaultdict(list)
    alone = []
    for original in originals:
        if original.flaw:
            alone.append([original])
            continue
        versions = taken[original.study, original.patient]
        home = next((version for version in versions if original.sop_instance not in version), None)
        if home is None:
            versions.append(home := {})
        home[original.sop_instance] = original
    return [list(version.values()) for versions in taken.values() for version in versions] + alone


def _read(path: Path, root: Path) -> Original:
    data = path.read_bytes()
    parts = path.relative_to(root).parts
    set_name = parts[0] if len(parts) > 1 else root.name
    sha256 = hashlib.sha256(data).hexdigest()
    if data[128:132] != b"DICM":
        return Original(path, set_name, sha256, flaw="no Part 10 header")
    try:
        ds = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(IDENTITY))
    # All that pydicom raises for a file it cannot read; NotImplementedError for a VR that it does not know.
    except (InvalidDicomError, OSError, ValueError, NotImplementedError, AttributeError, KeyError) as error:
        return Original(path, set_name, sha256, flaw=f"unreadable for pydicom ({type(error).__name__})")
    values = {keyword: str(ds.get(keyword, "")) for keyword in IDENTITY}
    return Original(
        path,
        set_name,
        sha256,
        study=values["StudyInstanceUID"],
        series=values["SeriesInstanceUID"],
        sop_instance=values["SOPInstanceUID"],
        patient=values["PatientID"] or values["PatientName"],
        transfer_syntax=str(ds.file_meta.get("TransferSyntaxUID", "")),
        flaw=_flaw(ds, values),
    )


def _flaw(ds: pydicom.FileDataset, values: dict[str, str]) -> str:
    if DICOMDIR_CLASS in (values["SOPClassUID"], ds.file_meta.get("MediaStorageSOPClassUID", "")):
        return "a DICOMDIR"
    if not ds.file_meta.get("TransferSyntaxUID", ""):
        return "no transfer syntax"
    if not all(UID.fullmatch(values[keyword]) for keyword in IDENTITY[:4]):
        return "a UID is missing or malformed"
    return ""
