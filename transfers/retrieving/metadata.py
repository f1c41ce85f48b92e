"""Metadata: the records that validation sealed, put together (DICOM PS3.18 Section 10.4.1.1.2).

A record is the data set in the DICOM JSON Model, written once; where it names bulk data a NUL byte stands for the
base of the URL, which differs from caller to caller.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from accounts import statements
from accounts.principals import Principal
from transfers import access
from transfers.formats import multipart, nativexml
from transfers.keys.opened import TransferKey
from transfers.retrieving.answers import open_key
from transfers.retrieving.items import InstanceItem
from transfers.retrieving.ledger import Ledger

# Up to here, as sealed, an answer is put together at once and has a length; a larger one is streamed.
AT_ONCE: Final = 32 << 20
_BATCH: Final = 1000
_CHUNK: Final = 1 << 18


def is_small(items: Sequence[InstanceItem]) -> bool:
    """Whether the metadata of all these fit into one piece of memory."""
    return sum(item.record_size for item in items) <= AT_ONCE


def stream_metadata(items: Sequence[InstanceItem], *, who: Principal, base_url: str) -> Iterator[bytes]:
    """A JSON array with one data set an instance; without its closing bracket it was cut off."""
    return _streamed(items, who, base_url, lead=b"[", form=_as_json, end=b"]")


def stream_native(items: Sequence[InstanceItem], *, who: Principal, base_url: str, boundary: bytes) -> Iterator[bytes]:
    """A body part with one XML document an instance; without its closing delimiter it was cut off.

    Reference: PS3.18 Section 8.7.3.4, PS3.19 Section A.1.
    """

    def form(item: InstanceItem, record: bytes, is_first: bool) -> Iterator[bytes]:
        location = f"{base_url}{item.path}/metadata"
        yield multipart.part_header(boundary, content_type=nativexml.MEDIA_TYPE, location=location)
        yield from nativexml.encode(record)

    return _streamed(items, who, base_url, lead=b"", form=form, end=multipart.closing(boundary))


def batches(items: Sequence[InstanceItem]) -> Iterator[list[InstanceItem]]:
    """Few enough at once that their records, as sealed, fit into one piece of memory."""
    batch: list[InstanceItem] = []
    held = 0
    for item in items:
        if batch and (held + item.record_size > AT_ONCE or len(batch) == _BATCH):
            yield batch
            batch, held = [], 0
        batch.append(item)
        held += item.record_size
    if batch:
        yield batch


# Turns the record of an instance into what is handed over; the last argument says whether it is the first.
_Form = Callable[[InstanceItem, bytes, bool], Iterator[bytes]]


def _as_json(item: InstanceItem, record: bytes, is_first: bool) -> Iterator[bytes]:
    yield record if is_first else b",\n" + record


def _streamed(
    items: Sequence[InstanceItem], who: Principal, base_url: str, *, lead: bytes, form: _Form, end: bytes
) -> Iterator[bytes]:
    ledger = Ledger("viewed", who=who, road="dicomweb", action="study.view")
    waiting, held, is_first = [lead], 0, True
    try:
        for batch in batches(items):
            for seen in {item.seen.transfer_id: item.seen for item in batch}.values():
                access.ensure_still_open(seen)
            sent = 0
            for item, record in zip(batch, records(batch, base_url=base_url), strict=True):
                for chunk in form(item, record, is_first):
                    waiting.append(chunk)
                    held, sent = held + len(chunk), sent + len(chunk)
                    if held >= _CHUNK:
                        yield b"".join(waiting)
                        waiting, held = [], 0
                is_first = False
            yield b"".join(waiting)
            waiting, held = [], 0
            ledger.handed(batch, sent)
        yield end
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
    return dict(statements.run("SELECT id, record FROM transfers_instance WHERE id = ANY(%s)", [ids], binary=True))
