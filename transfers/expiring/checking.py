"""Check everything that is kept against everything that says so, and change nothing (`manage.py fsck`)."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection

from transfers import errors, lookups, vault
from transfers.expiring import sweeping
from transfers.formats import checksum
from transfers.models import Document, Instance, Pack, Transfer
from transfers.vault import Stretch


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as it should be; `transfer` is a reference, empty for what belongs to none."""

    kind: str
    transfer: str
    sentence: str


def check(*, read_data: bool = False) -> Iterator[Fault]:
    """Yield every fault. With `read_data` everything stored is opened and compared with its digest."""
    for name in sweeping.unknown_objects():
        yield Fault("unknown object", "", f"The object {name} belongs to no pack.")
    for pack in sweeping.missing_packs():
        yield Fault("missing object", pack.transfer.reference, f"The object {pack.name} of this transfer is missing.")
    yield from _rows()
    yield from _lengths()
    for transfer in Transfer.objects.exclude(wrapped_key=None).select_related("sender").order_by("created_at"):
        yield from _contents(transfer, read_data=read_data)


_QUERIES: tuple[tuple[str, str, str], ...] = (
    (
        "count",
        "The transfer says {} instances and holds {}.",
        """
        SELECT t.reference, t.instance_count, count(i.id) FROM transfers_transfer t
          LEFT JOIN transfers_instance i ON i.transfer_id = t.id
         WHERE t.state <> 'purged' GROUP BY t.id HAVING t.instance_count <> count(i.id)
        """,
    ),
    (
        "count",
        "A study says {} instances and holds {}.",
        """
        SELECT t.reference, s.instance_count, count(i.id) FROM transfers_study s
          JOIN transfers_transfer t ON t.id = s.transfer_id LEFT JOIN transfers_instance i ON i.study_id = s.id
         GROUP BY t.id, s.id HAVING s.instance_count <> count(i.id)
        """,
    ),
    (
        "stretch",
        "Instance row {} lies outside its pack {}.",
        """
        SELECT t.reference, i.id, p.name FROM transfers_instance i
          JOIN transfers_pack p ON p.id = i.pack_id JOIN transfers_transfer t ON t.id = i.transfer_id
         WHERE i.offset < 1 OR i.sealed_length < 1 OR i.offset + i.sealed_length > p.committed_length
            OR p.transfer_id <> i.transfer_id
        """,
    ),
    (
        "stretch",
        "Document row {} lies outside its pack {}.",
        """
        SELECT t.reference, d.id, p.name FROM transfers_document d
          JOIN transfers_pack p ON p.id = d.pack_id JOIN transfers_transfer t ON t.id = d.transfer_id
         WHERE d.offset < 1 OR d.sealed_length < 1 OR d.offset + d.sealed_length > p.committed_length
            OR p.transfer_id <> d.transfer_id
        """,
    ),
    (
        "key",
        "The transfer is {} and has no key, so nothing of it can be read{}.",
        """
        SELECT reference, state, '' FROM transfers_transfer WHERE state <> 'purged' AND wrapped_key IS NULL
        """,
    ),
)


def _rows() -> Iterator[Fault]:
    for kind, sentence, query in _QUERIES:
        with connection.cursor() as cursor:
            cursor.execute(query)
            rows = cursor.fetchall()
        for reference, first, second in rows:
            yield Fault(kind, reference, sentence.format(first, second))


def _lengths() -> Iterator[Fault]:
    sizes = {found.name: found.size for found in vault.list_objects()}
    packs = Pack.objects.filter(deleted_at=None, transfer__wrapped_key__isnull=False).select_related("transfer")
    for pack in packs.order_by("id").iterator():
        size = sizes.get(pack.name)
        if size is not None and size < pack.committed_length:
            yield Fault(
                "short object",
                pack.transfer.reference,
                f"The object {pack.name} has {size} of {pack.committed_length} bytes that were acknowledged.",
            )


def _contents(transfer: Transfer, *, read_data: bool) -> Iterator[Fault]:
    try:
        key = lookups.open_key(transfer)
    except (errors.ExchangeError, LookupError) as error:
        yield Fault("key", transfer.reference, f"The transfer cannot be opened: {error}")
        return
    if not read_data:
        return
    for kind, rows in (
        (vault.INSTANCE, transfer.instances.select_related("pack").order_by("id").iterator()),
        (vault.DOCUMENT, transfer.documents.select_related("pack").order_by("id").iterator()),
    ):
        for row in rows:
            if reason := _read(transfer, row, key=key.packs, kind=kind):
                yield Fault("content", transfer.reference, f"{kind.decode().title()} row {row.pk}: {reason}")


def _read(transfer: Transfer, row: Instance | Document, *, key: bytes, kind: bytes) -> str:
    """Open one stream to its end; what is wrong with it, empty if nothing is."""
    prefix = (str(transfer.sender_id).encode(), str(transfer.pk).encode(), row.pack.name.encode())
    stretch = Stretch(row.ordinal, row.offset, row.sealed_length)
    digest, size, crc32 = hashlib.sha256(), 0, 0
    try:
        for chunk in vault.read(row.pack.name, key=key, aad_prefix=prefix, stretch=stretch, kind=kind):
            digest.update(chunk)
            size, crc32 = size + len(chunk), checksum.crc32(chunk, crc32)
    except errors.ExchangeError as error:
        return error.sentence
    is_same = (size, digest.digest(), crc32) == (row.size, bytes(row.sha256), row.crc32)
    return "" if is_same else "its bytes are not those that were acknowledged."
