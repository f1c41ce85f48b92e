"""A transfer key, opened: what seals a transfer's packs and records and hashes its look-ups.

Every sealed record is bound to its transfer, its kind and its row, so that one can never stand for another.
"""

from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

from transfers import keys
from transfers.formats import envelope
from transfers.keys import DayKey


@dataclass(frozen=True, slots=True)
class TransferKey:
    """Opened key of one transfer; `organization` and `transfer` are the ids it is bound to, as text."""

    organization: str
    transfer: str
    packs: bytes = field(repr=False)
    records: bytes = field(repr=False)
    index: bytes = field(repr=False)

    def seal(self, kind: str, row: str, plain: bytes) -> bytes:
        """Seal one database record of this transfer."""
        return envelope.seal_record(self.records, plain, self._bound(kind, row))

    def open(self, kind: str, row: str, sealed: bytes | memoryview) -> bytes:
        """Open a record; Integrity where it was changed or belongs to another row."""
        return envelope.open_record(self.records, bytes(sealed), self._bound(kind, row))

    def hash(self, *parts: str) -> bytes:
        """Keyed hash for exact look-ups among the transfers that are purged on the same day."""
        return keys.keyed_hash(self.index, *parts)

    def _bound(self, kind: str, row: str) -> bytes:
        return envelope.fields(b"record", self.transfer.encode(), kind.encode(), row.encode())


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """What the database keeps of a transfer key."""

    wrapped: bytes
    day_key_id: str


def new(*, organization: str, transfer: str, purge_day: date) -> tuple[TransferKey, WrappedKey]:
    """Make the key of a new transfer, wrapped for the UTC day on which it is purged."""
    transfer_key = keys.new_transfer_key()
    day = keys.day_key(purge_day)
    wrapped = keys.wrap(transfer_key, day, organization=organization, transfer=transfer)
    opened = _opened(transfer_key, day, organization, transfer)
    return opened, WrappedKey(wrapped, day.id)


def open_wrapped(
    wrapped: WrappedKey, *, organization: str, transfer: str, days: dict[str, DayKey] | None = None
) -> TransferKey:
    """Open a transfer key; Gone or KeyUnavailable without its day key, Integrity if it is another's.

    The day key is looked for at every use, so that a destroyed one stops working everywhere. Who opens thousands for
    one answer passes `days`, which remembers those that were found.
    """
    day = days.get(wrapped.day_key_id) if days is not None else None
    if day is None:
        day = keys.day_key_by_id(wrapped.day_key_id)
        if days is not None:
            days[wrapped.day_key_id] = day
    return _unwrapped(bytes(wrapped.wrapped), day, organization, transfer)


def rewrap(wrapped: WrappedKey, *, organization: str, transfer: str, purge_day: date) -> tuple[TransferKey, WrappedKey]:
    """Wrap the same transfer key for another day; look-up hashes must be made anew in the same transaction."""
    day = keys.day_key(purge_day)
    transfer_key = keys.unwrap(
        bytes(wrapped.wrapped), day_key_id=wrapped.day_key_id, organization=organization, transfer=transfer
    )
    again = keys.wrap(transfer_key, day, organization=organization, transfer=transfer)
    return _opened(transfer_key, day, organization, transfer), WrappedKey(again, day.id)


@lru_cache(maxsize=4096)
def _unwrapped(wrapped: bytes, day: DayKey, organization: str, transfer: str) -> TransferKey:
    transfer_key = keys.unwrap(wrapped, day_key_id=day.id, organization=organization, transfer=transfer)
    return _opened(transfer_key, day, organization, transfer)


def _opened(transfer_key: bytes, day: DayKey, organization: str, transfer: str) -> TransferKey:
    return TransferKey(
        organization=organization,
        transfer=transfer,
        packs=keys.subkey(transfer_key, "packs"),
        records=keys.subkey(transfer_key, "records"),
        index=keys.index_key(day),
    )
