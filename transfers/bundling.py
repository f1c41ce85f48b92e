"""Bundling: a study or a whole transfer as one ZIP, laid out before the first byte leaves.

Names say nothing of the patient; the archive's own says who sent it, with its reference. Reports come first. Stored,
not deflated: the CRC of each file is known from its push, so the length is known and a download that broke off goes on
where it stopped.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.db import connection

from transfers import errors, retrieving
from transfers.access import Sight
from transfers.formats import zipstream
from transfers.formats.zipstream import Archive, Entry
from transfers.models import Document, Transfer
from transfers.retrieving import Answer, InstanceItem, Item, Piece, Stretch

_EXTENSIONS: Final = {
    "application/pdf": "pdf",
    "application/dicom": "dcm",
    "text/plain": "txt",
    "text/xml": "xml",
    "application/xml": "xml",
    "application/hl7-cda+xml": "xml",
    "application/hl7-v3+xml": "xml",
}
_DOCUMENTS: Final = """
    SELECT d.transfer_id, d.media_type, d.id, p.name, d.ordinal, d."offset", d.sealed_length, d.size, d.sha256, d.crc32
      FROM transfers_document d JOIN transfers_pack p ON p.id = d.pack_id
     WHERE d.transfer_id = ANY(%s) AND (%s = '' OR d.study_instance_uid = %s)
     ORDER BY d.transfer_id, d.id
"""
# ZIP keeps no earlier time (PKWARE APPNOTE 4.4.6).
_NO_TIME: Final = datetime(1980, 1, 1, tzinfo=UTC)


def bundle(items: Sequence[InstanceItem]) -> Answer:
    """The ZIP of selected instances, with the reports of their study."""
    seen = {item.seen.transfer_id: item.seen for item in items}
    studies = {item.study_instance_uid for item in items}
    study = studies.pop() if len(studies) == 1 else ""
    return _archive([*_documents(list(seen.values()), study_instance_uid=study), *_instances(items)])


def open_archive(seen: Sight) -> Answer:
    """The ZIP of one whole transfer; raises NotFound where it holds nothing that may be given."""
    files = [*_documents([seen]), *_instances(retrieving.select_all(seen))]
    if not files:
        raise errors.NotFound
    reference = Transfer.objects.values_list("reference", flat=True).get(pk=seen.transfer_id)
    return _archive(files, name=f"{seen.sender_address}-{reference}.zip")


def open_document(seen: Sight, document_id: int) -> tuple[Answer, int]:
    """One document as it was sent, and the size of all that its transfer holds; NotFound where it is none of these.

    Named like its entry in the archive, for what it is called may name the patient.
    """
    found = list(_documents([seen]))
    path, item = next(((path, item) for path, item in found if item.pk == document_id), ("", None))
    if item is None:
        raise errors.NotFound
    reference = Transfer.objects.values_list("reference", flat=True).get(pk=seen.transfer_id)
    name = path.rpartition("/")[2]
    media_type = Document.objects.values_list("media_type", flat=True).get(pk=document_id)
    answer = Answer(
        media_type=media_type,
        size=item.size,
        etag=retrieving.tag("document", name, media_type, item.sha256),
        pieces=lambda start, stop: iter([Stretch(item, start, stop)]),
        items=[item],
        road="document",
        action="document.pull",
        file_name=f"{seen.sender_address}-{reference}-{name}",
    )
    images = Transfer.objects.values_list("byte_count", flat=True).get(pk=seen.transfer_id)
    return answer, images + sum(one.size for _, one in found)


def _archive(files: Sequence[tuple[str, Item]], *, name: str = "study.zip") -> Answer:
    items = [item for _, item in files]
    archive = Archive([_entry(path, item) for path, item in files])
    times = repr([entry.modified for entry in archive.entries])
    etag = retrieving.tag("zip", *(path for path, _ in files), times, retrieving.digests(items))
    return Answer(
        media_type="application/zip",
        size=archive.size,
        etag=etag,
        pieces=lambda start, stop: _pieces(archive, items, start=start, stop=stop),
        items=items,
        road="zip",
        file_name=name,
    )


def _pieces(archive: Archive, items: Sequence[Item], *, start: int, stop: int) -> Iterator[Piece]:
    piece: zipstream.Piece
    for piece in archive.pieces(start, stop):
        if isinstance(piece, bytes):
            yield piece
        else:
            index, first, last = piece
            yield Stretch(items[index], first, last)


def _entry(path: str, item: Item) -> Entry:
    modified = item.seen.available_at or _NO_TIME
    return Entry(name=path, size=item.size, crc32=item.crc32, modified=modified.astimezone(UTC).replace(tzinfo=None))


def _instances(items: Sequence[InstanceItem]) -> Iterator[tuple[str, Item]]:
    """`ST000001/SE000002/IM000003.dcm`: numbered in order, for UIDs make long paths and tell of their maker."""
    studies: dict[str, int] = {}
    series: dict[tuple[str, str], int] = {}
    for number, item in enumerate(items, 1):
        study = studies.setdefault(item.study_instance_uid, len(studies) + 1)
        place = (item.study_instance_uid, item.series_instance_uid)
        part = series.setdefault(place, len(series) + 1)
        yield f"ST{study:06d}/SE{part:06d}/IM{number:06d}.dcm", item


def _documents(seen: Sequence[Sight], *, study_instance_uid: str = "") -> Iterator[tuple[str, Item]]:
    by_id = {sight.transfer_id: sight for sight in seen}
    with connection.cursor() as cursor:
        cursor.execute(_DOCUMENTS, [list(by_id), study_instance_uid, study_instance_uid])
        rows = cursor.fetchall()
    for number, row in enumerate(rows, 1):
        extension = _EXTENSIONS.get(row[1].partition(";")[0].strip().lower(), "bin")
        yield f"REPORTS/RE{number:06d}.{extension}", _document(by_id[row[0]], row)


def _document(seen: Sight, row: tuple[Any, ...]) -> Item:  # Any: columns of _DOCUMENTS in order
    pk, pack, ordinal, offset, sealed_length, size, sha256, crc32 = row[2:]
    return Item(seen, pk, retrieving.DOCUMENT, pack, ordinal, offset, sealed_length, size, bytes(sha256), crc32)
