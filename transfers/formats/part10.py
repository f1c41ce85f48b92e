"""Scan the header of a DICOM file while it arrives (DICOM PS3.10 Section 7, PS3.5 Section 7).

This runs before any other reader sees the octets and decides what may be stored at all: nothing is
buffered but a few short values, nothing recurses, and a file that could mislead its next reader is
refused with the reason.
"""

import re
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from transfers import errors
from transfers.formats import deflate, elements, filemeta, frames

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"

_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018
_STUDY, _SERIES = 0x0020000D, elements.SERIES_INSTANCE_UID
_UIDS = {
    _SOP_CLASS: "The SOP Class UID",
    _SOP_INSTANCE: "The SOP Instance UID",
    _STUDY: "The Study Instance UID",
    _SERIES: "The Series Instance UID",
}
_CHARSET, _ACCESSION, _MODALITY = 0x00080005, 0x00080050, 0x00080060
_NAME, _ID, _ISSUER, _BIRTH_DATE, _SEX = 0x00100010, 0x00100020, 0x00100021, 0x00100030, 0x00100040
_SERIES_NUMBER, _INSTANCE_NUMBER = 0x00200011, 0x00200013
_TEXTS = (_CHARSET, _ACCESSION, _MODALITY, _NAME, _ID, _ISSUER, _BIRTH_DATE, _SEX)
_SAMPLES, _PHOTOMETRIC, _FRAMES = 0x00280002, 0x00280004, 0x00280008
_ROWS, _COLUMNS, _BITS = 0x00280010, 0x00280011, 0x00280100
_IMAGE = (_SAMPLES, _PHOTOMETRIC, _FRAMES, _ROWS, _COLUMNS, _BITS)
_LOCAL_ISSUER, _UNIVERSAL_ISSUER = 0x00400031, 0x00400032

# How many octets of each value are kept; more than that is no identifier.
_WANTED = elements.Wanted(
    {
        **dict.fromkeys((*_TEXTS, _SERIES_NUMBER, _INSTANCE_NUMBER), 1024),
        **dict.fromkeys(_IMAGE, 64),
        **dict.fromkeys(_UIDS, 66),
    }
)
_COUNT = re.compile(rb" *\+?([0-9]{1,10})[ \0]*")


@dataclass(frozen=True, slots=True)
class Header:
    """What an exchange needs to know of an instance; texts are raw octets, None if absent.

    Offsets count from the first octet of the file; in a deflated data set pixels have none.
    `meta_differs`: file meta names another SOP class or instance than the data set, as anonymisers
    leave it. `pixel_short`: the native pixel data hold less than the image attributes promise.
    """

    transfer_syntax_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    specific_character_set: bytes | None
    patient_id: bytes | None
    issuer_of_patient_id: bytes | None
    patient_name: bytes | None
    patient_birth_date: bytes | None
    patient_sex: bytes | None
    accession_number: bytes | None
    issuer_of_accession: bytes | None
    modality: bytes | None
    series_number: bytes | None
    instance_number: bytes | None
    rows: int | None
    columns: int | None
    bits_allocated: int | None
    samples_per_pixel: int | None
    number_of_frames: int | None
    photometric_interpretation: str | None
    meta_differs: bool
    dataset_offset: int
    pixel_offset: int | None
    pixel_value_offset: int | None
    pixel_length: int | None
    pixel_short: bool
    frames: frames.Frames | None
    size: int


class Scanner:
    """Feed it a file in pieces of any size; errors of InstanceRefused come as soon as they are known.

    `size`, where it is known beforehand, lets a value that runs past the end be refused at once.
    """

    def __init__(self, *, size: int | None = None) -> None:
        self._limit = size
        self._seen = 0
        self._meta = filemeta.FileMeta(limit=size)
        self._walker: elements.Walker | None = None
        self._inflater: deflate.Inflater | None = None
        self._routed = False
        self._uids: tuple[str, ...] = ()

    @property
    def routed(self) -> bool:
        """Whether the UIDs and the identity of the patient are known: `header` may be read."""
        return self._routed

    @property
    def study_instance_uid(self) -> str:
        """Known once `routed`, without the whole header being put together."""
        return self._uids[2]

    @property
    def names(self) -> tuple[str, str]:
        """SOP Class and SOP Instance UID, also of what is refused for another reason; empty where one is not known."""
        found = self._walker.values if self._walker else {}
        try:
            return filemeta.uid(found.get(_SOP_CLASS, b"")), filemeta.uid(found.get(_SOP_INSTANCE, b""))
        except errors.MalformedInstance:
            return "", ""

    @property
    def header(self) -> Header:
        """What is known so far, once `routed`; complete after `finish`."""
        if self._walker is None or not self._routed:
            raise RuntimeError("the header was asked for before the instance is routed")
        located = None if self._inflater else self._walker.pixels
        return _header(self._meta, self._walker, uids=self._uids, pixels=located, size=self._seen)

    def feed(self, chunk: bytes | memoryview) -> None:
        """Scan the next octets of the file."""
        self._seen += len(chunk)
        if self._limit is not None and self._seen > self._limit:
            raise errors.MalformedInstance("The instance is longer than announced.")
        if self._walker is None:
            rest = self._meta.feed(chunk)
            if rest is None:
                return
            self._walker, chunk = self._open_data_set(), rest
        for piece in self._inflated(chunk):
            try:
                self._walker.feed(piece)
            finally:  # so that the reason for a refusal does not depend on where the chunks end
                if self._walker.routed and not self._routed:
                    self._check_identity(self._walker)

    def finish(self) -> Header:
        """Check that the file is complete and answer what was found.

        Raises TruncatedInstance if the data set is cut off, MalformedInstance if it lacks a UID.
        """
        if self._walker is None:
            self._meta.finish()
            self._walker = self._open_data_set()
        if self._limit is not None and self._seen < self._limit:
            raise errors.TruncatedInstance
        if self._inflater is not None:
            self._inflater.finish()
        self._walker.finish()
        if not self._routed:
            self._check_identity(self._walker)
        return self.header

    def _open_data_set(self) -> elements.Walker:
        """PS3.5 Annex A: unknown, private and compressed syntaxes are Explicit VR Little Endian."""
        if self._meta.is_deflated():
            self._inflater = deflate.Inflater()
        return elements.Walker(
            offset=self._meta.dataset_offset,
            limit=None if self._inflater else self._limit,
            implicit=self._meta.syntax == IMPLICIT_LITTLE,
            big=self._meta.syntax == EXPLICIT_BIG,
            wanted=_WANTED,
        )

    def _inflated(self, chunk: bytes | memoryview) -> Iterator[bytes | memoryview]:
        return iter((chunk,)) if self._inflater is None else self._inflater.feed(bytes(chunk))

    def _check_identity(self, walker: elements.Walker) -> None:
        """The UIDs are there and valid, and this is no directory (PS3.10 Section 8.6)."""
        found = walker.values
        self._uids = tuple(filemeta.uid(found.get(tag, b""), called=called) for tag, called in _UIDS.items())
        if self._uids[0] == filemeta.MEDIA_STORAGE_DIRECTORY:
            raise errors.UnsupportedClass
        self._routed = True


def _header(
    meta: filemeta.FileMeta,
    walker: elements.Walker,
    *,
    uids: tuple[str, ...],
    pixels: elements.PixelData | None,
    size: int,
) -> Header:
    values = walker.values
    image = _image(values, big=walker.big)
    located, short = (None, False) if pixels is None else _locate(walker, pixels, image)
    return Header(
        transfer_syntax_uid=meta.syntax,
        sop_class_uid=uids[0],
        sop_instance_uid=uids[1],
        study_instance_uid=uids[2],
        series_instance_uid=uids[3],
        specific_character_set=values.get(_CHARSET),
        patient_id=values.get(_ID),
        issuer_of_patient_id=values.get(_ISSUER),
        patient_name=values.get(_NAME),
        patient_birth_date=values.get(_BIRTH_DATE),
        patient_sex=values.get(_SEX),
        accession_number=values.get(_ACCESSION),
        issuer_of_accession=walker.issuer.get(_LOCAL_ISSUER) or walker.issuer.get(_UNIVERSAL_ISSUER),
        modality=values.get(_MODALITY),
        series_number=values.get(_SERIES_NUMBER),
        instance_number=values.get(_INSTANCE_NUMBER),
        rows=image.rows,
        columns=image.columns,
        bits_allocated=image.bits_allocated,
        samples_per_pixel=image.samples_per_pixel,
        number_of_frames=image.number_of_frames,
        photometric_interpretation=image.photometric_interpretation,
        meta_differs=_meta_differs(meta, values),
        dataset_offset=meta.dataset_offset,
        pixel_offset=pixels.offset if pixels else None,
        pixel_value_offset=pixels.value_offset if pixels else None,
        pixel_length=pixels.length if pixels else None,
        pixel_short=short,
        frames=located,
        size=size,
    )


def _meta_differs(meta: filemeta.FileMeta, values: dict[int, bytes]) -> bool:
    """PS3.10 Section 7.1 wants them alike; what counts for every reader of the object is the data set."""
    pairs = ((filemeta.CLASS, _SOP_CLASS), (filemeta.INSTANCE, _SOP_INSTANCE))
    return any(meta.values.get(named, b"").rstrip(b"\0 ") != values[tag].rstrip(b"\0 ") for named, tag in pairs)


def _image(values: dict[int, bytes], *, big: bool) -> frames.Image:
    def number(tag: int) -> int | None:
        value = values.get(tag, b"")
        return int.from_bytes(value[:2], "big" if big else "little") if len(value) > 1 else None

    count = _COUNT.fullmatch(values.get(_FRAMES, b""))
    photometric = values.get(_PHOTOMETRIC)
    return frames.Image(
        rows=number(_ROWS),
        columns=number(_COLUMNS),
        bits_allocated=number(_BITS),
        samples_per_pixel=number(_SAMPLES),
        number_of_frames=int(count[1]) if count else None,
        photometric_interpretation=(
            photometric.decode("ascii", "replace").strip("\0 ") if photometric is not None else None
        ),
    )


def _locate(
    walker: elements.Walker, pixels: elements.PixelData, image: frames.Image
) -> tuple[frames.Frames | None, bool]:
    count = 1 if image.number_of_frames is None else image.number_of_frames
    if pixels.length is not None:
        bits = frames.native_bits(image)
        short = bits is not None and (bits * count + 7) // 8 > pixels.length
        if bits is None:
            return None, False
        return frames.native(pixels.value_offset, size=pixels.length, frame_bits=bits, count=count), short
    if len(walker.fragment_offsets) > elements.MAX_FRAGMENTS:
        return None, False
    basic = _table(walker.tables.get(elements.PIXEL_DATA), "I", big=False)
    extended = _table(walker.tables.get(elements.EXTENDED_OFFSETS), "Q", big=walker.big)
    offsets, lengths = walker.fragment_offsets, walker.fragment_lengths
    return frames.encapsulated(offsets, lengths, count=count, basic=basic, extended=extended), False


def _table(octets: bytearray | None, code: str, *, big: bool) -> "array[int]":
    table = array(code)
    if octets and len(octets) % table.itemsize == 0:
        table.frombytes(octets)
        if big != (sys.byteorder == "big"):
            table.byteswap()
    return table
