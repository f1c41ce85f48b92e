"""The vault in a bucket, against a real S3 server."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError
from pytest_django import Settings

from tests import s3_server
from tests.transfers.vault.packs import CT, KEY, PREFIX, get, put
from transfers import errors, vault
from transfers.formats import envelope

MULTIFRAME = os.urandom(30 << 20)


@pytest.fixture(scope="module")
def server() -> Iterator[s3_server.S3Server]:
    with s3_server.running() as server:
        yield server


@pytest.fixture(autouse=True)
def bucket(server: s3_server.S3Server, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    (server.folder / "packs").mkdir(exist_ok=True)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
    settings.STORAGE_URL = server.url("packs")
    return server.folder / "packs"


def test_a_small_pack_is_one_put(writer: vault.PackWriter) -> None:
    stretches = [put(writer, CT), put(writer, b"")]
    writer.sync()
    assert writer.upload_id == ""
    assert [get(writer, stretch) for stretch in stretches] == [CT, b""]


def test_a_large_pack_is_a_multipart_upload(writer: vault.PackWriter, bucket: Path) -> None:
    first, second = put(writer, MULTIFRAME), put(writer, CT)
    assert writer.upload_id
    writer.sync()
    assert (bucket / writer.name).stat().st_size == second.offset + second.sealed_length
    assert [get(writer, first), get(writer, second)] == [MULTIFRAME, CT]


def test_a_range_is_a_slice(writer: vault.PackWriter) -> None:
    stretch = put(writer, MULTIFRAME)
    writer.sync()
    assert get(writer, stretch, 5_000_000, 9_700_000) == MULTIFRAME[5_000_000:9_700_000]


def test_a_pack_closes_when_it_is_acknowledged(writer: vault.PackWriter) -> None:
    stretch = put(writer, CT)
    assert not vault.exists(writer.name)
    writer.sync()
    assert writer.closed_by_sync
    assert writer.durable_length == vault.size(writer.name) == stretch.offset + stretch.sealed_length
    with pytest.raises(ValueError, match="takes no stream"):
        writer.begin()


def test_a_repeated_sync_does_nothing(writer: vault.PackWriter) -> None:
    stretch = put(writer, CT)
    writer.sync()
    writer.sync()
    assert get(writer, stretch) == CT


def test_an_abandoned_short_stream_leaves_nothing(writer: vault.PackWriter) -> None:
    writer.begin()
    writer.write(CT)
    writer.abandon()
    stretch = put(writer, CT)
    writer.sync()
    assert (stretch.ordinal, stretch.offset) == (1, 1)
    assert get(writer, stretch) == CT


def test_an_abandoned_long_stream_leaves_a_hole(writer: vault.PackWriter) -> None:
    first = put(writer, CT)
    writer.begin()
    writer.write(MULTIFRAME)
    writer.abandon()
    second = put(writer, CT)
    writer.sync()
    assert second.offset > first.offset + first.sealed_length
    assert [get(writer, first), get(writer, second)] == [CT, CT]


def test_a_wrong_secret_is_refused(
    writer: vault.PackWriter, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    settings.STORAGE_URL += "&"  # another address, so another connection
    with (
        vault.open_pack(vault.new_name(), key=KEY, aad_prefix=PREFIX) as pack,
        pytest.raises(errors.StorageUnavailable),
    ):
        put(pack, CT)
        pack.sync()


def test_a_server_that_does_not_answer_poisons(writer: vault.PackWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    put(writer, CT)

    def refuse(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="http://s3.invalid")

    with monkeypatch.context() as broken:
        broken.setattr(writer._target._client, "put_object", refuse)  # type: ignore[attr-defined]
        with pytest.raises(errors.StorageUnavailable):
            writer.sync()
    with pytest.raises(errors.StorageUnavailable):
        writer.sync()
    assert writer.durable_length == 0


def test_an_object_of_another_length_is_not_acknowledged(
    writer: vault.PackWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(writer, CT)
    client = writer._target._client  # type: ignore[attr-defined]
    whole = client.put_object
    monkeypatch.setattr(client, "put_object", lambda **given: whole(**given | {"Body": b"", "ContentMD5": EMPTY}))
    with pytest.raises(errors.StorageUnavailable):
        writer.sync()
    assert writer.durable_length == 0


EMPTY = "1B2M2Y8AsgTpgAmY7PhCfg=="


def test_a_flipped_bit_is_refused(writer: vault.PackWriter, bucket: Path) -> None:
    stretch = put(writer, CT)
    writer.sync()
    stored = bytearray((bucket / writer.name).read_bytes())
    stored[300_000] ^= 1
    (bucket / writer.name).write_bytes(stored)
    with pytest.raises(errors.Integrity):
        get(writer, stretch)


def test_an_unknown_version_is_refused(writer: vault.PackWriter, bucket: Path) -> None:
    stretch = put(writer, CT)
    writer.sync()
    (bucket / writer.name).write_bytes(b"\x02" + (bucket / writer.name).read_bytes()[1:])
    with pytest.raises(errors.Integrity):
        get(writer, stretch)


def test_a_missing_object_is_told(writer: vault.PackWriter) -> None:
    stretch = vault.Stretch(0, 1, envelope.sealed_size(10))
    with pytest.raises(errors.Integrity):
        get(writer, stretch)


def test_deleting_twice_is_deleting(writer: vault.PackWriter) -> None:
    put(writer, CT)
    writer.sync()
    vault.delete(writer.name)
    vault.delete(writer.name)
    assert not vault.exists(writer.name)


def test_objects_are_listed(writer: vault.PackWriter) -> None:
    stretch = put(writer, CT)
    writer.sync()
    (found,) = [one for one in vault.list_objects() if one.name == writer.name]
    assert found.size == stretch.offset + stretch.sealed_length
    assert found.modified.tzinfo is not None


def test_objects_lie_under_the_prefix_of_the_address(settings: Settings, bucket: Path) -> None:
    settings.STORAGE_URL = settings.STORAGE_URL.replace("?", "/packs/here?")
    with vault.open_pack(vault.new_name(), key=KEY, aad_prefix=PREFIX) as pack:
        stretch = put(pack, CT)
        pack.sync()
        assert (bucket / "packs" / "here" / pack.name).exists()
        assert [found.name for found in vault.list_objects()] == [pack.name]
        assert get(pack, stretch) == CT


def test_a_quarantined_object_is_set_aside_and_can_come_back(writer: vault.PackWriter) -> None:
    stretch = put(writer, CT)
    writer.sync()
    vault.quarantine(writer.name)
    assert not vault.exists(writer.name)
    assert [found.name for found in vault.list_objects(quarantined=True)] == [writer.name]
    vault.release(writer.name)
    assert get(writer, stretch) == CT


def test_an_unfinished_upload_can_be_ended(writer: vault.PackWriter) -> None:
    put(writer, MULTIFRAME)
    vault.abort(writer.name, writer.upload_id)
    vault.abort(writer.name, writer.upload_id)
    with pytest.raises(errors.StorageUnavailable):
        writer.sync()
    assert not vault.exists(writer.name)


def test_an_upload_whose_id_was_lost_can_be_ended(writer: vault.PackWriter) -> None:
    put(writer, MULTIFRAME)
    vault.abort(writer.name)
    with pytest.raises(errors.StorageUnavailable):
        writer.sync()


def test_a_probe_leaves_nothing(bucket: Path) -> None:
    before = set(bucket.iterdir())
    vault.probe()
    assert set(bucket.iterdir()) == before


def test_a_probe_of_a_bucket_that_is_not_there_fails(settings: Settings) -> None:
    settings.STORAGE_URL = settings.STORAGE_URL.replace("s3://", "s3://no-")
    with pytest.raises(errors.ExchangeError):
        vault.probe()
