"""Studies to measure with, made on the spot: noise-free pixels would flatter a rival that compresses.

Each study is made once a run and gets fresh UIDs a round by patching equal-length digits in place, so that the
client spends no time on it that counts.
"""

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

CT, MR, MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.7.3"
PART, CLOSING = b"--bench\r\nContent-Type: application/dicom\r\n\r\n", b"--bench--\r\n"
_UID_DIGITS = 30


@dataclass(frozen=True, slots=True)
class Instance:
    """A Part 10 file whose UIDs may be patched: where each lies."""

    file: bytes
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class StudySet:
    """One study: instances of one series, `size` in bytes, each of so many frames."""

    name: str
    study_instance_uid: str
    series_instance_uid: str
    instances: tuple[Instance, ...]
    frames: int = 1

    @property
    def size(self) -> int:
        return sum(len(one.file) for one in self.instances)

    def fresh(self) -> "StudySet":
        """The same study with UIDs nobody has seen."""
        study, series = _uid(), _uid()
        renewed = tuple(self._renewed(one, study, series) for one in self.instances)
        return StudySet(self.name, study, series, renewed, self.frames)

    def repeated(self, times: int) -> tuple[str, Iterator[Instance]]:
        """A new study of several times as many instances: its UID, and the instances as they are asked for."""
        study, series = _uid(), _uid()
        return study, (self._renewed(one, study, series) for _ in range(times) for one in self.instances)

    def _renewed(self, one: Instance, study: str, series: str) -> Instance:
        sop, file = _uid(), bytearray(one.file)
        uids = ((self.study_instance_uid, study), (self.series_instance_uid, series), (one.sop_instance_uid, sop))
        for old, new in uids:
            _patch(file, old.encode(), new.encode())
        return Instance(bytes(file), sop)


def ct_study(count: int = 500) -> StudySet:
    """CT of 512 x 512 x 16 bits: 0.5 MB an instance."""
    return _study("ct", count, sop_class_uid=CT, rows=512, columns=512)


def mr_study(count: int = 2000) -> StudySet:
    """MR of 256 x 256 x 16 bits: 0.13 MB an instance."""
    return _study("mr", count, sop_class_uid=MR, rows=256, columns=256)


def small_studies(count: int) -> Iterator[StudySet]:
    """Studies of one instance of 32 x 32 pixels, each of a patient of its own."""
    for number in range(count):
        yield _study("small", 1, sop_class_uid=CT, rows=32, columns=32, patient=f"B-{number:06d}")


def multi_frame(frames: int = 200) -> StudySet:
    """One instance of 200 frames of 1024 x 1024 x 16 bits: 420 MB."""
    return _study("multi-frame", 1, sop_class_uid=MULTI_FRAME, rows=1024, columns=1024, frames=frames)


def _study(
    name: str, count: int, *, sop_class_uid: str, rows: int, columns: int, frames: int = 1, patient: str = "B-1"
) -> StudySet:
    noise = random.Random(4711)
    study, series = _uid(), _uid()
    pixels = noise.randbytes(rows * columns * 2 * min(frames, 4))
    instances = []
    for number in range(1, count + 1):
        uid = _uid()
        ds = _header(sop_class_uid, uid, study, series, number=number, rows=rows, columns=columns)
        ds.PatientID, ds.PatientName = patient, f"Bench^Mark {patient}"
        if frames > 1:
            ds.NumberOfFrames = frames
        start = noise.randrange(len(pixels) // 2) & ~1
        ds.add_new(0x7FE00010, "OW", (pixels[start:] + pixels[:start]) * (frames // min(frames, 4)))
        instances.append(Instance(_file(ds), uid))
    return StudySet(name, study, series, tuple(instances), frames)


def _header(sop_class_uid: str, uid: str, study: str, series: str, *, number: int, rows: int, columns: int) -> Dataset:
    """About as many elements as a scanner writes."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = sop_class_uid, uid, study, series
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.StudyID = "20260115", "101500", "A-4711", "1"
    ds.PatientBirthDate, ds.PatientSex = "19600101", "O"
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = ("CT" if sop_class_uid == CT else "MR"), 1, number
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.Rows, ds.Columns = 1, "MONOCHROME2", rows, columns
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, number], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness = [0.5, 0.5], 1
    block = ds.private_block(0x0019, "WAYSTATION BENCH", create=True)
    for element in range(0x10, 0x60):
        block.add_new(element, "LO", f"value {element:04d} of an element that a vendor needs")
    return ds


def _file(ds: Dataset) -> bytes:
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _uid() -> str:
    return "2.25." + "".join(random.choices("123456789", k=_UID_DIGITS))


def _patch(file: bytearray, old: bytes, new: bytes) -> None:
    at = file.find(old, 0, 65536)
    while at >= 0:
        file[at : at + len(old)] = new
        at = file.find(old, at + len(old), 65536)


def bodies(study: StudySet, batch: int) -> Iterator[bytes]:
    """The study as STOW-RS bodies of so many instances each, under the boundary `bench`."""
    for start in range(0, len(study.instances), batch):
        parts = study.instances[start : start + batch]
        yield b"".join(piece for one in parts for piece in (PART, one.file, b"\r\n")) + CLOSING
