"""What a document is said to be, and whether it is that."""

import codecs
from dataclasses import dataclass
from typing import Final

from transfers import errors

STATUSES: Final = ("preliminary", "final", "amended")
# What a document of each type must begin with; None: it must be text.
MEDIA_TYPES: Final[dict[str, bytes | None]] = {
    "application/pdf": b"%PDF-",
    "text/plain": None,
    "text/xml": None,
    "application/xml": None,
    "application/hl7-v3+xml": None,
}
MAX_BYTES: Final = 256 << 20


@dataclass(frozen=True, slots=True)
class Description:
    """What the sender says of a document; `issuer` qualifies the accession number."""

    media_type: str
    status: str = "final"
    title: str = ""
    study_instance_uid: str = ""
    accession_number: str = ""
    issuer: str = ""
    replaces: int | None = None


def check(description: Description, length: int | None) -> None:
    """Refuse by what is said of it, before a byte is read."""
    if description.media_type not in MEDIA_TYPES:
        raise errors.UnsupportedMediaType(
            "Documents are PDF, plain text or CDA (XML). Push structured reports as DICOM instances."
        )
    if description.status not in STATUSES:
        raise errors.BadRequest(f"The status of a document is one of: {', '.join(STATUSES)}.")
    ensure_size(length or 0)


def ensure_size(size: int) -> None:
    if size > MAX_BYTES:
        raise errors.QuotaExceeded("A document may have at most 256 MiB.")


class Inspector:
    """A document must be what its media type says; what is inside it is the validator's matter."""

    def __init__(self, media_type: str) -> None:
        self._magic = MEDIA_TYPES[media_type]
        self._head = b""
        self._text = codecs.getincrementaldecoder("utf-8")() if self._magic is None else None

    def feed(self, chunk: bytes) -> None:
        if len(self._head) < 16:
            self._head += bytes(chunk[:16])
        if self._text is not None:
            try:
                text = self._text.decode(chunk)
            except UnicodeDecodeError:
                raise errors.BadRequest("The document is not UTF-8 text.") from None
            if "\0" in text:
                raise errors.BadRequest("The document is not text: it holds NUL characters.")

    def finish(self) -> None:
        if not self._head:
            raise errors.BadRequest("The document is empty.")
        if self._magic is not None and not self._head.startswith(self._magic):
            raise errors.BadRequest("The document is not of the type it is said to be.")
        if self._text is not None:
            try:
                self._text.decode(b"", final=True)
            except UnicodeDecodeError:
                raise errors.BadRequest("The document is cut off within a character.") from None
