"""Answers whose every byte has its place before the first leaves, and the streams that hand them over.

An answer is made of literals and of stretches of stored streams, so its length is known beforehand, any range of
it can be given, and an error in the middle can only cut it: a short end never looks complete.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from accounts.principals import Principal
from transfers import access, vault
from transfers.access import Sight
from transfers.formats import explicit
from transfers.keys import DayKey, opened
from transfers.keys.opened import TransferKey, WrappedKey
from transfers.retrieving.items import Item
from transfers.retrieving.ledger import Kind, Ledger

RECHECK_SECONDS: Final = 5.0
RECHECK_BYTES: Final = 64 << 20
# Smaller pieces are joined before they leave: one write a piece costs more than the copy.
_FLUSH: Final = 1 << 20
_FIRST_FLUSH: Final = 1 << 18


@dataclass(slots=True)
class Stretch:
    """Part of a stored item, from `start` up to `stop` of its plain bytes.

    Where `width` is not 1, words of so many octets begin at `origin` and leave with their octets turned round.
    """

    item: Item
    start: int
    stop: int
    width: int = 1
    origin: int = 0

    @property
    def is_whole(self) -> bool:
        return self.start == 0 and self.stop == self.item.size


@dataclass(frozen=True, slots=True)
class Whole:
    """Says that the `size` bytes before it are an item in another transfer syntax, whole."""

    item: Item
    size: int


@dataclass(frozen=True, slots=True)
class Made:
    """Bytes that are made of a stored item while they are handed over; how many is known beforehand.

    `make(start, stop)` yields what lies between two places of them.
    """

    item: Item
    start: int
    stop: int
    make: Callable[[int, int], Iterator[bytes]]


Piece = bytes | Stretch | Made | Whole


@dataclass(frozen=True, slots=True)
class Answer:
    """A representation of known size; `etag` is strong: equal tags mean equal bytes.

    `pieces(start, stop)` gives what lies in that range. Whole items handed over count as `pulled`, where the
    answer is of that kind; frames, metadata and bulk data are only `viewed`, whatever their size.
    """

    media_type: str
    size: int
    etag: str
    pieces: Callable[[int, int], Iterator[Piece]]
    items: Sequence[Item]
    kind: Kind = "pulled"
    road: str = "dicomweb"
    action: str = "study.pull"
    file_name: str = ""


def of_pieces(pieces: Sequence[Piece], *, media_type: str, etag: str, items: Sequence[Item], kind: Kind) -> Answer:
    """An answer of pieces that are all at hand."""
    return Answer(
        media_type=media_type,
        size=sum(_length(piece) for piece in pieces),
        etag=etag,
        pieces=lambda start, stop: clip(pieces, start=start, stop=stop),
        items=items,
        kind=kind,
        action="study.pull" if kind == "pulled" else "study.view",
    )


def tag(*parts: str | bytes) -> str:
    """A digest over what decides the bytes of an answer: for its ETag, and for the boundary of a multipart."""
    octets = [part.encode() if isinstance(part, str) else part for part in parts]
    joined = b"".join(len(part).to_bytes(4, "big") + part for part in octets)
    return hashlib.sha256(joined).hexdigest()[:40]


def digests(items: Iterable[Item]) -> bytes:
    """The digests of items in their order, joined."""
    return b"".join(item.sha256 for item in items)


def clip(pieces: Iterable[Piece], *, start: int, stop: int) -> Iterator[Piece]:
    """What lies between two places of the pieces joined."""
    at = 0
    for piece in pieces:
        length = _length(piece)
        first, last = max(0, start - at), min(length, stop - at)
        if isinstance(piece, Whole):
            if start <= at - piece.size and at <= stop:
                yield piece
        elif first == 0 and last == length > 0:
            yield piece
        elif first < last:
            if isinstance(piece, bytes):
                yield piece[first:last]
            else:
                yield replace(piece, start=piece.start + first, stop=piece.start + last)
        at += length
        if at > stop:
            return


def stream(answer: Answer, *, who: Principal, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """Hand an answer over; whatever way it ends, what was handed over whole is recorded.

    Raises Gone when the transfer is withdrawn or the delivery revoked meanwhile, Integrity or
    StorageUnavailable when the store fails: the door lets each cut the connection.
    """
    ledger = Ledger(answer.kind, who=who, road=answer.road, action=answer.action)
    stop = answer.size if stop is None else stop
    try:
        yield from _handed_over(answer, start, stop, ledger)
        ledger.is_complete = True
    finally:
        ledger.write()


def read(item: Item, *, start: int, stop: int, key: TransferKey | None = None) -> Iterator[bytes]:
    """Authenticated bytes of an item; nothing is recorded."""
    key = key or open_key(item.seen)
    return vault.read(
        item.pack,
        key=key.packs,
        aad_prefix=(key.organization.encode(), key.transfer.encode(), item.pack.encode()),
        stretch=vault.Stretch(ordinal=item.ordinal, offset=item.offset, sealed_length=item.sealed_length),
        start=start,
        stop=stop,
        kind=item.kind,
    )


def read_stretch(piece: Stretch, *, key: TransferKey | None = None) -> Iterator[bytes]:
    """Authenticated bytes of a stretch, its words turned round where it says so; nothing is recorded."""
    if piece.width == 1:
        return read(piece.item, start=piece.start, stop=piece.stop, key=key)
    return _swapped(piece, key)


def open_key(seen: Sight, *, days: dict[str, DayKey] | None = None) -> TransferKey:
    """The key of a transfer the caller sees; Gone or KeyUnavailable without its day key; `days` as in open_wrapped."""
    return opened.open_wrapped(
        WrappedKey(seen.wrapped_key, seen.day_key_id),
        organization=str(seen.sender_id),
        transfer=str(seen.transfer_id),
        days=days,
    )


def _handed_over(answer: Answer, start: int, stop: int, ledger: Ledger) -> Iterator[bytes]:
    """Yield joined chunks; an item is whole once control has come back after its last byte left."""
    watch = _Reader()
    waiting: list[bytes] = []
    held, enough = 0, _FIRST_FLUSH
    ended: list[Item] = []
    for piece in answer.pieces(start, stop):
        if not isinstance(piece, bytes):
            ledger.begin(piece.item.seen)
        for chunk in watch.chunks(piece):
            waiting.append(chunk)
            held += len(chunk)
            if held >= enough:
                yield waiting[0] if len(waiting) == 1 else b"".join(waiting)
                ledger.handed(ended, held)
                waiting, held, ended, enough = [], 0, [], _FLUSH
        if not isinstance(piece, bytes) and (answer.kind == "viewed" or isinstance(piece, Whole) or _is_whole(piece)):
            ended.append(piece.item)
    if waiting:
        yield b"".join(waiting)
    ledger.handed(ended, held)


def _is_whole(piece: Stretch | Made) -> bool:
    """What is made is followed by a Whole where it is an item."""
    return isinstance(piece, Stretch) and piece.is_whole


class Watch:
    """Asks again, every few seconds or megabytes, whether what is being sent may still be seen."""

    def __init__(self) -> None:
        self._asked = time.monotonic()
        self._since = 0

    def count(self, seen: Sight, octets: int) -> None:
        """Count what is about to be sent; raises Gone where it may not be seen any more."""
        self._since += octets
        if self._since >= RECHECK_BYTES or time.monotonic() - self._asked >= RECHECK_SECONDS:
            access.ensure_still_open(seen)
            self._asked, self._since = time.monotonic(), 0


class _Reader:
    """The pieces of an answer, read while it is watched."""

    def __init__(self) -> None:
        self._seen: Sight | None = None
        self._key: TransferKey | None = None
        self._watch = Watch()

    def chunks(self, piece: Piece) -> Iterator[bytes]:
        if isinstance(piece, bytes):
            yield piece
        elif not isinstance(piece, Whole):
            for chunk in self._read(piece):
                self._watch.count(piece.item.seen, len(chunk))
                yield chunk

    def _read(self, piece: Stretch | Made) -> Iterator[bytes]:
        if isinstance(piece, Made):
            return piece.make(piece.start, piece.stop)
        seen = piece.item.seen
        if seen is not self._seen:
            self._seen, self._key = seen, open_key(seen)
        return read_stretch(piece, key=self._key)


def _swapped(piece: Stretch, key: TransferKey | None) -> Iterator[bytes]:
    """Whole words that hold the stretch, turned round, without what lies beyond its ends."""
    before = (piece.start - piece.origin) % piece.width
    after = -(piece.stop - piece.origin) % piece.width
    left = piece.stop - piece.start
    held = b""
    stop = min(piece.stop + after, piece.item.size)
    for chunk in read(piece.item, start=piece.start - before, stop=stop, key=key):
        held += chunk
        whole = len(held) - len(held) % piece.width
        words, held = explicit.swap_words(held[:whole], piece.width), held[whole:]
        words, before = words[before : before + left], 0
        left -= len(words)
        yield words
    yield held[:left]


def _length(piece: Piece) -> int:
    if isinstance(piece, bytes):
        return len(piece)
    return 0 if isinstance(piece, Whole) else piece.stop - piece.start
