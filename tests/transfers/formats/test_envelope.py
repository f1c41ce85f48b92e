"""The envelope: any chunking, any range, every flip; Google's Tink agrees; vectors for other programs."""

import hashlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tink
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tink import secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

from transfers import errors
from transfers.formats import envelope

KEY = bytes(range(32))
AAD = envelope.associated_data(b"st-elsewhere", b"t1", b"p1", 0, b"instance")
FIRST, NEXT = 262_088, 262_128  # plaintext in the first and in any later full segment
SIZES = [0, 1, 15, 16, 17, FIRST - 1, FIRST, FIRST + 1, FIRST + NEXT - 1, FIRST + NEXT, FIRST + NEXT + 1]
SIZES += [FIRST + 4 * NEXT, 1 << 20, 5 * NEXT + 7]
CONTENT = hashlib.shake_256(b"waystation").digest(6 * NEXT)
VECTORS = sorted((Path(__file__).parents[2] / "vectors" / "envelope").glob("*.json"))


def seal(plain: bytes, *, key: bytes = KEY, aad: bytes = AAD, chunk: int = 1 << 30) -> bytes:
    out = bytearray()
    sealer = envelope.Sealer(key, aad, out.extend)
    for start in range(0, len(plain), chunk):
        sealer.write(memoryview(plain)[start : start + chunk])
    assert sealer.finish() == len(out)
    return bytes(out)


def reading(sealed: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, length: sealed[offset : offset + length]


def opened(sealed: bytes, *, key: bytes = KEY, aad: bytes = AAD, **part: int) -> bytes:
    stream = envelope.open_stream(reading(sealed), key=key, aad=aad, sealed_length=len(sealed), **part)
    return b"".join(stream)


def tink_primitive() -> streaming_aead.StreamingAead:
    params = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
        ciphertext_segment_size=envelope.SEGMENT, derived_key_size=32, hkdf_hash_type=common_pb2.SHA256
    )
    key = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(version=0, params=params, key_value=KEY)
    keyset = tink_pb2.Keyset(primary_key_id=1)
    keyset.key.add(
        key_id=1,
        status=tink_pb2.ENABLED,
        output_prefix_type=tink_pb2.RAW,
        key_data=tink_pb2.KeyData(
            type_url="type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
            value=key.SerializeToString(),
            key_material_type=tink_pb2.KeyData.SYMMETRIC,
        ),
    )
    streaming_aead.register()
    handle = tink.proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
    primitive: streaming_aead.StreamingAead = handle.primitive(streaming_aead.StreamingAead)
    return primitive


class Kept(io.BytesIO):
    """Keep what was written when the stream around it closes it."""

    def close(self) -> None:
        self.content = self.getvalue()
        super().close()


@pytest.mark.parametrize("size", SIZES)
def test_tink_opens_what_we_seal(size: int) -> None:
    with tink_primitive().new_decrypting_stream(io.BytesIO(seal(CONTENT[:size])), AAD) as stream:
        assert stream.read() == CONTENT[:size]


@pytest.mark.parametrize("size", SIZES)
def test_we_open_what_tink_seals(size: int) -> None:
    target = Kept()
    with tink_primitive().new_encrypting_stream(target, AAD) as stream:
        stream.write(CONTENT[:size])
    assert len(target.content) == envelope.sealed_size(size)
    assert opened(target.content) == CONTENT[:size]


def test_tink_refuses_what_we_bind_elsewhere() -> None:
    sealed = io.BytesIO(seal(CONTENT[:100]))
    with (
        pytest.raises(tink.TinkError),
        tink_primitive().new_decrypting_stream(sealed, AAD + b"x") as stream,
    ):
        stream.read()


@pytest.mark.parametrize("size", SIZES)
def test_round_trip(size: int) -> None:
    assert opened(seal(CONTENT[:size])) == CONTENT[:size]


@pytest.mark.parametrize("chunk", [997, 4096, 65536, FIRST - 1, FIRST, FIRST + 1, NEXT, 1 << 20])
def test_chunk_size_does_not_change_the_content(chunk: int) -> None:
    sealed = seal(CONTENT[: FIRST + 2 * NEXT], chunk=chunk)
    assert len(sealed) == envelope.sealed_size(FIRST + 2 * NEXT)
    assert opened(sealed) == CONTENT[: FIRST + 2 * NEXT]


@pytest.mark.parametrize("size", SIZES)
def test_sizes_follow_from_each_other(size: int) -> None:
    sealed = len(seal(CONTENT[:size]))
    assert envelope.sealed_size(size) == sealed
    assert envelope.plain_size(sealed) == size


@pytest.mark.parametrize("length", [0, 40, 55, envelope.SEGMENT + 1, envelope.SEGMENT + 16])
def test_a_length_that_no_stream_has_is_refused(length: int) -> None:
    with pytest.raises(errors.Integrity):
        envelope.plain_size(length)


SEALED = seal(CONTENT[: 2 * NEXT + 5])


@given(st.integers(0, 3 * NEXT), st.integers(0, 3 * NEXT), st.sampled_from([1, 2, 4]))
@hypothesis_settings(max_examples=80, deadline=None)
def test_any_range_is_the_slice(start: int, stop: int, run: int) -> None:
    content = CONTENT[: 2 * NEXT + 5]
    assert opened(SEALED, start=start, stop=stop, run=run) == content[start:stop]


@pytest.mark.parametrize("edge", [FIRST, FIRST + NEXT])
@pytest.mark.parametrize(("before", "after"), [(0, 1), (1, 0), (1, 1), (0, 0)])
def test_ranges_around_segment_ends_are_slices(edge: int, before: int, after: int) -> None:
    content = CONTENT[: 2 * NEXT + 5]
    assert opened(SEALED, start=edge - before, stop=edge + after) == content[edge - before : edge + after]


def test_a_range_reads_only_its_segments() -> None:
    asked: list[tuple[int, int]] = []

    def read_at(offset: int, length: int) -> bytes:
        asked.append((offset, length))
        return SEALED[offset : offset + length]

    place = {"start": FIRST + 10, "stop": FIRST + 20}
    list(envelope.open_stream(read_at, key=KEY, aad=AAD, sealed_length=len(SEALED), **place))
    assert asked == [(0, 40), (envelope.SEGMENT, envelope.SEGMENT)]


def test_a_whole_read_takes_several_segments_a_call() -> None:
    sealed = seal(CONTENT)
    calls: list[int] = []

    def read_at(offset: int, length: int) -> bytes:
        calls.append(length)
        return sealed[offset : offset + length]

    assert b"".join(envelope.open_stream(read_at, key=KEY, aad=AAD, sealed_length=len(sealed))) == CONTENT
    assert calls == [4 * envelope.SEGMENT, len(sealed) - 4 * envelope.SEGMENT]


def test_every_bit_counts() -> None:
    sealed = seal(b"pixels")
    for bit in range(8 * len(sealed)):
        forged = bytearray(sealed)
        forged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(errors.Integrity):
            opened(bytes(forged))


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_a_flip_in_any_tag_is_refused(segment: int) -> None:
    forged = bytearray(SEALED)
    forged[min((segment + 1) * envelope.SEGMENT, len(SEALED)) - 1] ^= 1
    with pytest.raises(errors.Integrity):
        opened(bytes(forged))


def test_nothing_of_a_forged_segment_leaves() -> None:
    forged = bytearray(SEALED)
    forged[envelope.SEGMENT + 100] ^= 1
    stream = envelope.open_stream(reading(bytes(forged)), key=KEY, aad=AAD, sealed_length=len(forged))
    assert next(stream) == CONTENT[:FIRST]
    with pytest.raises(errors.Integrity):
        next(stream)


SEGMENTS = [SEALED[start : start + envelope.SEGMENT] for start in range(0, len(SEALED), envelope.SEGMENT)]
OTHER = seal(CONTENT[: 2 * NEXT + 5])
FORGERIES = {
    "swapped": SEGMENTS[1] + SEGMENTS[0] + SEGMENTS[2],
    "repeated": SEGMENTS[0] + SEGMENTS[1] + SEGMENTS[1] + SEGMENTS[2],
    "last dropped": SEGMENTS[0] + SEGMENTS[1],
    "middle dropped": SEGMENTS[0] + SEGMENTS[2],
    "cut in a segment": SEALED[:-1],
    "cut in the header": SEALED[:39],
    "empty": b"",
    "trailing byte": SEALED + b"\0",
    "trailing stream": SEALED + seal(b""),
    "header of another": OTHER[:40] + SEALED[40:],
    "segment of another": SEGMENTS[0] + OTHER[envelope.SEGMENT : 2 * envelope.SEGMENT] + SEGMENTS[2],
}


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_stream_is_refused(forged: bytes) -> None:
    with pytest.raises(errors.Integrity):
        opened(forged)


def test_a_source_that_ends_early_is_refused() -> None:
    stream = envelope.open_stream(reading(SEALED[:-1]), key=KEY, aad=AAD, sealed_length=len(SEALED))
    with pytest.raises(errors.Integrity):
        list(stream)


def test_an_empty_last_segment_is_a_second_spelling() -> None:
    forged = reference_seal(CONTENT[:FIRST], salt=bytes(32), prefix=bytes(7), sizes=[FIRST, 0])
    with pytest.raises(errors.Integrity):
        opened(forged)


@pytest.mark.parametrize(
    "place", [(b"o", b"t", b"p", 1), (b"o", b"t", b"q", 0), (b"o", b"u", b"p", 0), (b"u", b"t", b"p", 0)]
)
def test_a_stream_in_another_place_is_refused(place: tuple[bytes, bytes, bytes, int]) -> None:
    here = envelope.associated_data(b"o", b"t", b"p", 0, b"instance")
    sealed = seal(b"pixels", aad=here)
    with pytest.raises(errors.Integrity):
        opened(sealed, aad=envelope.associated_data(*place, b"instance"))


def test_fields_do_not_run_together() -> None:
    first = envelope.associated_data(b"ab", b"c", b"p", 0, b"instance")
    assert first != envelope.associated_data(b"a", b"bc", b"p", 0, b"instance")


def test_another_key_opens_nothing() -> None:
    with pytest.raises(errors.Integrity):
        opened(seal(b"pixels"), key=bytes(32))


def test_no_header_comes_twice() -> None:
    assert len({seal(b"")[:40] for _ in range(500)}) == 500


def test_a_finished_stream_takes_no_more() -> None:
    sealer = envelope.Sealer(KEY, AAD, bytearray().extend)
    sealer.finish()
    with pytest.raises(ValueError, match="finished"):
        sealer.write(b"more")


def test_streams_side_by_side_do_not_mix() -> None:
    outs = bytearray(), bytearray()
    sealers = [envelope.Sealer(KEY, AAD, out.extend) for out in outs]
    for byte in range(200):
        for number, sealer in enumerate(sealers):
            sealer.write(bytes([byte ^ 255 * number]) * 3000)
    for sealer in sealers:
        sealer.finish()
    first, second = (opened(bytes(out)) for out in outs)
    assert first == bytes(byte ^ 255 for byte in second)


def test_a_record_comes_back() -> None:
    sealed = envelope.seal_record(KEY, b"Mrs X", b"row 7")
    assert envelope.open_record(KEY, sealed, b"row 7") == b"Mrs X"
    assert len(sealed) == 1 + 12 + 5 + 16


def test_every_bit_of_a_record_counts() -> None:
    sealed = envelope.seal_record(KEY, b"Mrs X", b"row 7")
    for bit in range(8 * len(sealed)):
        forged = bytearray(sealed)
        forged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(errors.Integrity):
            envelope.open_record(KEY, forged, b"row 7")


def test_a_record_of_another_row_is_refused() -> None:
    with pytest.raises(errors.Integrity):
        envelope.open_record(KEY, envelope.seal_record(KEY, b"Mrs X", b"row 7"), b"row 8")


@pytest.mark.parametrize("length", range(29))
def test_a_cut_record_is_refused(length: int) -> None:
    with pytest.raises(errors.Integrity):
        envelope.open_record(KEY, envelope.seal_record(KEY, b"", b"row")[:length], b"row")


def test_the_same_record_never_looks_the_same() -> None:
    assert len({envelope.seal_record(KEY, b"M", b"row") for _ in range(100)}) == 100


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        envelope.Sealer(os.urandom(size), AAD, bytearray().extend)


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 20


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vector(path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text())
    given, released = forged_from(vector), bytearray()
    key, aad = bytes.fromhex(vector["key"]), bytes.fromhex(vector["associated_data"])
    try:
        if vector["form"] == "record":
            released += envelope.open_record(key, given, aad)
        else:
            for chunk in envelope.open_stream(reading(given), key=key, aad=aad, sealed_length=len(given)):
                released += chunk
        outcome = "opened"
    except errors.Integrity:
        outcome = "refused"
    assert outcome == vector["expect"]
    assert hashlib.sha256(released).hexdigest() == vector["released_sha256"]


def forged_from(vector: dict[str, Any]) -> bytes:
    """Rebuild the bytes of a vector: given in full, or sealed by its recipe and then edited."""
    if "sealed" in vector:
        return bytes.fromhex(vector["sealed"])
    recipe = vector["recipe"]
    sealed = reference_seal(
        hashlib.shake_256(recipe["plain_shake256_of"].encode()).digest(recipe["plain_size"]),
        key=bytes.fromhex(vector["key"]),
        aad=bytes.fromhex(vector["associated_data"]),
        salt=bytes.fromhex(recipe["salt"]),
        prefix=bytes.fromhex(recipe["nonce_prefix"]),
    )
    assert hashlib.sha256(sealed).hexdigest() == recipe["sealed_sha256"]
    return b"".join(sealed[start:stop] for start, stop in recipe["keep"])


def reference_seal(
    plain: bytes,
    *,
    salt: bytes,
    prefix: bytes,
    key: bytes = KEY,
    aad: bytes = AAD,
    sizes: list[int] | None = None,
) -> bytes:
    """Seal by the letter of docs/envelope.md, apart from the code under test."""
    cipher = AESGCM(HKDF(SHA256(), 32, salt, aad).derive(key))
    sizes = sizes or [min(FIRST, len(plain))] + [min(NEXT, len(plain) - at) for at in range(FIRST, len(plain), NEXT)]
    out, at = bytes([40]) + salt + prefix, 0
    for number, size in enumerate(sizes):
        nonce = prefix + number.to_bytes(4, "big") + bytes([number == len(sizes) - 1])
        out += cipher.encrypt(nonce, plain[at : at + size], None)
        at += size
    return out
