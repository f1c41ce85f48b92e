"""Metadata: the records that validation sealed, put together (DICOM PS3.18 Section 10.4.1.1.2).

A record is the data set in the DICOM JSON Model, written once; where it names bulk data a NUL byte stands for the
base of the URL, which differs from caller to caller.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from django.db import connection

from accounts.principals import Principal
from transfers import access
from transfers.keys.opened import TransferKey
from transfers.retrieving.answers import open_key
from transfers.retrieving.items import InstanceItem
from transfers.retrieving.ledger import Ledger

# Up to here, as sealed, an answer is put together at once and has a length; a larger one is streamed.
AT_ONCE: Final = 32 << 20
_BATCH: Final = 250


def is_small(items: Sequence[InstanceItem]) -> bool:
    """Whether the metadata of all these fit into one piece of memory."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(octet_length(record)), 0)::bigint FROM transfers_instance WHERE id = ANY(%s)",
            [[item.pk for item in items]],
        )
        return bool(cursor.fetchone()[0] <= AT_ONCE)


def stream_metadata(items: Sequence[InstanceItem], *, who: Principal, base_url: str) -> Iterator[bytes]:
    """A JSON array with one data set an instance; without its closing bracket it was cut off."""
    ledger = Ledger("viewed", who=who, road="dicomweb", action="study.view")
    try:
        lead = b"["
        for first in range(0, len(items), _BATCH):
            batch = items[first : first + _BATCH]
            for seen in {item.seen.transfer_id: item.seen for item in batch}.values():
                access.ensure_still_open(seen)
            chunk = lead + b",\n".join(records(batch, base_url=base_url))
            yield chunk
            ledger.handed(batch, len(chunk))
            lead = b",\n"
        yield b"]"
        ledger.is_complete = True
    finally:
        ledger.write()


def records(items: Sequence[InstanceItem], *, base_url: str) -> Iterator[bytes]:
    """The opened record of each instance, with its URLs below `base_url`."""
    base = base_url.encode()
    sealed = _fetch_records([item.pk for item in items])
    keys: dict[str, TransferKey] = {}
    for item in items:
        transfer = str(item.seen.transfer_id)
        key = keys.get(transfer) or keys.setdefault(transfer, open_key(item.seen))
        yield key.open("instance", item.sop_instance_uid, sealed[item.pk]).replace(b"\0", base)


def _fetch_records(ids: list[int]) -> dict[int, bytes]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, record FROM transfers_instance WHERE id = ANY(%s)", [ids])
        return dict(cursor.fetchall())
