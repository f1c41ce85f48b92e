"""Reports and documents as pages: from the sealed record, and the text of a document where it is text."""

import codecs
import json
from typing import Any, Final

from transfers import errors, retrieving
from transfers.formats.render import pages
from transfers.retrieving import InstanceItem

HTML, PLAIN, PDF = "text/html", "text/plain", "application/pdf"
PAGES: Final = (HTML, PLAIN)
_DOCUMENT: Final = "00420011"
_MAX_TEXT: Final = 8 << 20
# IANA names that people ask for; UTF-8 always works (PS3.18 Section 8.7.8).
_CHARSETS: Final = frozenset({"utf-8", "us-ascii", "windows-1252", *(f"iso-8859-{part}" for part in range(1, 16))})


def has_pages(item: InstanceItem) -> bool:
    """Whether an instance is one of text: reports, key objects, documents, but nothing with pixels."""
    root = "1.2.840.10008.5.1.4.1.1."
    return item.pixel_offset is None and item.sop_class_uid.startswith((f"{root}88.", f"{root}104."))


def page(item: InstanceItem, *, media_type: str, charset: str = "utf-8") -> bytes:
    """The page of an instance; raises BadRequest for a character set that is not known.

    A character that the set lacks becomes a reference in HTML, a question mark in plain text.
    """
    if charset.lower() not in _CHARSETS:
        raise errors.BadRequest("This character set is not offered. UTF-8 always is.")
    record = _record(item)
    words = _words(item, record)
    if media_type == HTML:
        text = pages.as_html(record, document=words).replace('charset="utf-8"', f'charset="{charset.lower()}"', 1)
        return text.encode(codecs.lookup(charset).name, "xmlcharrefreplace")
    return pages.as_text(record, document=words).encode(codecs.lookup(charset).name, "replace")


def document(item: InstanceItem) -> retrieving.Stretch | None:
    """The PDF that an instance encapsulates (PS3.3 Section C.24.2), None where it holds something else."""
    record = _record(item)
    return retrieving.locate_bulk(item, _DOCUMENT) if _kind(record) == PDF else None


def _words(item: InstanceItem, record: dict[str, Any]) -> str:  # Any: DICOM JSON
    """The text of a document that is text, as its author wrote it."""
    if _DOCUMENT not in record or not _kind(record).startswith(("text/", "application/xml")):
        return ""
    stretch = retrieving.locate_bulk(item, _DOCUMENT)
    stop = min(stretch.stop, stretch.start + _MAX_TEXT)
    octets = b"".join(retrieving.read(item, start=stretch.start, stop=stop))
    return octets.rstrip(b"\0").decode("utf-8", "replace")


def _kind(record: dict[str, Any]) -> str:  # Any: DICOM JSON
    return str(next(iter(pages.values(record, "00420012")), "")).strip().lower()


def _record(item: InstanceItem) -> dict[str, Any]:  # Any: DICOM JSON
    (record,) = retrieving.records([item], base_url="")
    read = json.loads(record)
    return read if isinstance(read, dict) else {}
