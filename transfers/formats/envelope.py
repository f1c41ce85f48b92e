"""Seal and open streams and small records (docs/envelope.md).

A stream is Tink's AES-GCM-HKDF streaming AEAD: AES-256, HKDF-SHA256, segments of 262,144 bytes.
Memory is bounded by a segment while sealing and by one run of segments while opening.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from transfers import errors

Readable = bytes | bytearray | memoryview

VERSION: Final = 1
"""The first byte of a pack and of a record (docs/envelope.md Sections 1 and 4)."""
READABLE_VERSIONS: Final = frozenset({1})
KEY_SIZE: Final = 32
SEGMENT: Final = 262_144
HEADER: Final = 40
TAG: Final = 16

_SALT = 32
_PREFIX = 7
_NONCE = 12
_PLAIN_SEGMENT = SEGMENT - TAG
_RUN = 4

# Spare pairs of segment buffers: fresh ones cost more in page faults than sealing a small instance.
_spare: deque[tuple[bytearray, bytearray]] = deque(maxlen=16)


def associated_data(organization: bytes, transfer: bytes, pack: bytes, ordinal: int, kind: bytes) -> bytes:
    """Return what binds a stream to its place (docs/envelope.md Section 3)."""
    return fields(organization, transfer, pack, ordinal.to_bytes(8, "big"), kind)


def fields(*parts: bytes) -> bytes:
    """Join byte strings so that no two lists of them give the same result."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def derive(key: bytes, *, info: bytes, salt: bytes | None = None) -> bytes:
    """Derive a 32-byte key (RFC 5869, HKDF-SHA256)."""
    return HKDF(SHA256(), KEY_SIZE, salt, info).derive(key)


def sealed_size(plain: int) -> int:
    """Return the length of the stream that seals this many bytes."""
    segments = max(1, -(-(plain + HEADER) // _PLAIN_SEGMENT))
    return HEADER + plain + segments * TAG


def plain_size(sealed: int) -> int:
    """Return the plaintext length of a stream; raises Integrity for lengths that no stream has."""
    segments = -(-sealed // SEGMENT)
    plain = sealed - HEADER - segments * TAG
    if plain < 0 or sealed_size(plain) != sealed:
        raise errors.Integrity("A sealed stream has an impossible length.")
    return plain


class Sealer:
    """Seal one stream (docs/envelope.md Section 2), whatever the chunks it is written in.

    `sink` is given views of a buffer that is used again: it must be done with one before it returns.
    A full segment is kept back until it is known whether it is the last.
    """

    def __init__(self, key: bytes, aad: bytes, sink: Callable[[memoryview], object]) -> None:
        _require_key(key)
        salt, self._prefix = os.urandom(_SALT), os.urandom(_PREFIX)
        self._cipher = AESGCM(derive(key, info=aad, salt=salt))
        self._sink = sink
        self._buffers = _spare.pop() if _spare else (bytearray(_PLAIN_SEGMENT), bytearray(SEGMENT))
        self._plain, self._sealed = memoryview(self._buffers[0]), memoryview(self._buffers[1])
        self._sealed[:HEADER] = bytes([HEADER]) + salt + self._prefix
        self._lead = HEADER  # the header leaves together with the first segment
        self._held = 0
        self._segment = 0
        self._length = 0
        self._finished = False

    def write(self, chunk: Readable) -> None:
        if self._finished:
            raise ValueError("this stream is finished")
        view = memoryview(chunk).cast("B")
        while view:
            capacity = _PLAIN_SEGMENT - self._lead
            if self._held == 0 and len(view) > capacity:
                self._emit(view[:capacity], last=False)
                view = view[capacity:]
            elif self._held == capacity:
                self._emit(self._plain[:capacity], last=False)
                self._held = 0
            else:
                taken = min(capacity - self._held, len(view))
                self._plain[self._held : self._held + taken] = view[:taken]
                self._held += taken
                view = view[taken:]

    def finish(self) -> int:
        """Emit the last segment and return the length of the whole stream."""
        if self._finished:
            raise ValueError("this stream is finished")
        self._finished = True
        self._emit(self._plain[: self._held], last=True)
        _spare.append(self._buffers)
        return self._length

    def _emit(self, plain: memoryview, *, last: bool) -> None:
        end = self._lead + len(plain) + TAG
        nonce = _nonce(self._prefix, self._segment, last=last)
        self._cipher.encrypt_into(nonce, plain, None, self._sealed[self._lead : end])
        self._sink(self._sealed[:end])
        self._length += end
        self._segment += 1
        self._lead = 0


def open_stream(
    read_at: Callable[[int, int], Readable],
    *,
    key: bytes,
    aad: bytes,
    sealed_length: int,
    start: int = 0,
    stop: int | None = None,
    run: int = _RUN,
) -> Iterator[bytes]:
    """Yield the plaintext from `start` up to `stop`, clipped as a slice is (docs/envelope.md Section 2).

    `read_at(offset, length)` reads the sealed bytes, `run` segments a call; its answer is used up before
    the next call. Only verified segments leave. Raises Integrity for anything that was not sealed so.
    """
    _require_key(key)
    size = plain_size(sealed_length)
    stop = size if stop is None else min(stop, size)
    if start < 0 or stop < 0:
        raise ValueError("a range counts from the start of the stream")
    if start >= stop and size:
        return iter(())  # an empty stream is verified all the same
    return _open(read_at, _Opener(key, aad, sealed_length), start, stop, run)


def seal_record(key: bytes, plain: bytes, aad: bytes) -> bytes:
    """Seal a value that fits a database column (docs/envelope.md Section 4)."""
    _require_key(key)
    nonce = os.urandom(_NONCE)
    return bytes([VERSION]) + nonce + AESGCM(key).encrypt(nonce, plain, aad)


def open_record(key: bytes, sealed: Readable, aad: bytes) -> bytes:
    """Open what seal_record made under the same key and associated data, or raise Integrity."""
    _require_key(key)
    record = bytes(sealed)
    require_version(record[:1])
    try:
        return AESGCM(key).decrypt(record[1 : 1 + _NONCE], record[1 + _NONCE :], aad)
    except (InvalidTag, ValueError):
        raise errors.Integrity("A sealed record does not verify.") from None


def require_version(first: Readable) -> None:
    """Refuse what a version of the envelope that we do not know has written."""
    if len(first) != 1 or first[0] not in READABLE_VERSIONS:
        raise errors.Integrity("The version of a sealed object is unknown to this node.")


def _open(
    read_at: Callable[[int, int], Readable], opener: "_Opener", start: int, stop: int, run: int
) -> Iterator[bytes]:
    first, until = _segment_of(start), _segment_of(max(stop, 1) - 1)
    if first:
        opener.begin(_exactly(read_at, 0, HEADER))
    for segment in range(first, until + 1, run):
        offset = segment * SEGMENT
        end = min((segment + run) * SEGMENT, (until + 1) * SEGMENT, opener.length)
        sealed = _exactly(read_at, offset, end - offset)
        if offset == 0:
            opener.begin(sealed[:HEADER])
        for begin in range(0, len(sealed), SEGMENT):
            number = segment + begin // SEGMENT
            plain = opener.open(number, sealed[begin : begin + SEGMENT])
            yield _clip(plain, place=_place_of(number), start=start, stop=stop)


class _Opener:
    """The cipher of one stream, once its header has been read."""

    def __init__(self, key: bytes, aad: bytes, length: int) -> None:
        self.length = length
        self._key, self._aad = key, aad
        self._final = (length - 1) // SEGMENT

    def begin(self, header: memoryview) -> None:
        if header[0] != HEADER:
            raise errors.Integrity("A sealed stream has an unknown header.")
        salt = bytes(header[1 : 1 + _SALT])
        self._prefix = bytes(header[1 + _SALT :])
        self._cipher = AESGCM(derive(self._key, info=self._aad, salt=salt))

    def open(self, number: int, sealed: memoryview) -> bytes:
        nonce = _nonce(self._prefix, number, last=number == self._final)
        try:
            return self._cipher.decrypt(nonce, sealed[HEADER:] if number == 0 else sealed, None)
        except InvalidTag:
            raise errors.Integrity("A sealed stream does not verify.") from None


def _exactly(read_at: Callable[[int, int], Readable], offset: int, length: int) -> memoryview:
    view = memoryview(read_at(offset, length))
    if len(view) != length:
        raise errors.Integrity("A sealed stream is cut off.")
    return view


def _segment_of(position: int) -> int:
    return (position + HEADER) // _PLAIN_SEGMENT


def _place_of(segment: int) -> int:
    return max(0, segment * _PLAIN_SEGMENT - HEADER)


def _clip(plain: bytes, *, place: int, start: int, stop: int) -> bytes:
    if place >= start and place + len(plain) <= stop:
        return plain
    return plain[max(0, start - place) : stop - place]


def _nonce(prefix: bytes, segment: int, *, last: bool) -> bytes:
    return prefix + segment.to_bytes(4, "big") + (b"\x01" if last else b"\x00")


def _require_key(key: bytes) -> None:
    if len(key) != KEY_SIZE:
        raise ValueError("a key has 32 bytes")
