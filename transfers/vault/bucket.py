"""Packs in a bucket: STORAGE_URL=s3://bucket/prefix?endpoint=…&region=…

A pack that fits one part is one PUT; a longer one is a multipart upload. Either way it is complete, and
closed, when it is first acknowledged. Credentials come from AWS_* in the environment.
"""

import base64
import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from transfers import errors
from transfers.formats import envelope
from transfers.vault.stores import NAME, ReadAt, StoredObject, require_name

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

PART: Final = 8 << 20
QUARANTINE: Final = "quarantine/"

_MISSING = {"NoSuchKey", "404", "NotFound"}
_NO_UPLOAD = {"NoSuchUpload", "404", "NotFound"}
_FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507"}


class Bucket:
    run: int = 16  # a request costs far more than on a disk: 4 MiB at a time

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self._bucket = parts.netloc
        self._prefix = f"{parts.path.strip('/')}/".lstrip("/")
        self._client = _connect(endpoint=options.get("endpoint", ""), region=options.get("region", ""))
        # Names are never used twice, so a version once seen stays true.
        self._check_version = lru_cache(maxsize=4096)(self._read_version)

    def create(self, name: str) -> "Upload":
        return Upload(self._client, bucket=self._bucket, key=self._key(name))

    @contextmanager
    def reader(self, name: str) -> Iterator[ReadAt]:
        self._check_version(name)
        key = self._key(name)
        yield lambda offset, length: self._get(key, offset, length)

    def size(self, name: str) -> int | None:
        with translated():
            return _head(self._client, bucket=self._bucket, key=self._key(name))

    def delete(self, name: str, *, quarantined: bool) -> None:
        with translated():
            self._client.delete_object(Bucket=self._bucket, Key=self._key(name, quarantined=quarantined))

    def objects(self, *, quarantined: bool) -> Iterator[StoredObject]:
        root = self._prefix + (QUARANTINE if quarantined else "")
        with translated():
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=root):
                for found in page.get("Contents", []):
                    name = found["Key"].removeprefix(root)
                    if NAME.fullmatch(name):
                        yield StoredObject(name=name, size=found["Size"], modified=found["LastModified"])

    def quarantine(self, name: str) -> None:
        self._move(self._key(name), self._key(name, quarantined=True))

    def release(self, name: str) -> None:
        self._move(self._key(name, quarantined=True), self._key(name))

    def cut_off(self, name: str, length: int) -> None:
        """Nothing to do: an object is complete when it is first acknowledged."""

    def abort(self, name: str, upload_id: str) -> None:
        key = self._key(name)
        with translated():
            for found in [upload_id] if upload_id else self._uploads(key):
                try:
                    self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=found)
                except ClientError as error:
                    if _code(error) not in _NO_UPLOAD:
                        raise

    def ensure_room(self) -> None:
        """A bucket has no room to look at; what it cannot take it refuses."""

    def probe(self) -> None:
        key, token = f"{self._prefix}probe-{secrets.token_hex(8)}", secrets.token_bytes(16)
        with translated():
            self._client.put_object(Bucket=self._bucket, Key=key, Body=token)
            same = self._get(key, 0, len(token)) == token
            self._client.delete_object(Bucket=self._bucket, Key=key)
        if not same:
            raise errors.StorageUnavailable

    def _key(self, name: str, *, quarantined: bool = False) -> str:
        return self._prefix + (QUARANTINE if quarantined else "") + require_name(name)

    def _get(self, key: str, offset: int, length: int) -> bytes:
        wanted = f"bytes={offset}-{offset + length - 1}"
        with translated():
            return self._client.get_object(Bucket=self._bucket, Key=key, Range=wanted)["Body"].read()

    def _read_version(self, name: str) -> None:
        envelope.require_version(self._get(self._key(name), 0, 1))

    def _uploads(self, key: str) -> list[str]:
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=key)
        return [up["UploadId"] for page in pages for up in page.get("Uploads", []) if up["Key"] == key]

    def _move(self, source: str, target: str) -> None:
        with translated():
            size = _head(self._client, bucket=self._bucket, key=source)
            if size is None:
                return
            # `copy` rather than `copy_object`: that one stops at 5 GiB.
            self._client.copy({"Bucket": self._bucket, "Key": source}, self._bucket, target)
            if _head(self._client, bucket=self._bucket, key=target) != size:
                raise errors.StorageUnavailable
            self._client.delete_object(Bucket=self._bucket, Key=source)


class Upload:
    """An object on its way. What fails once stays failed: parts that may be missing are not built upon."""

    closes_at_sync = True

    def __init__(self, client: "S3Client", *, bucket: str, key: str) -> None:
        self._client = client
        self._bucket, self._key = bucket, key
        self._held = bytearray()
        self._parts: list[CompletedPartTypeDef] = []
        self._poisoned = False
        self.upload_id = ""
        self.length = 0
        self.durable_length = 0

    def append(self, data: memoryview) -> None:
        self._require_sound()
        self._held += data
        self.length += len(data)
        if len(self._held) >= PART:
            with self._poisoning():
                self._send_part()

    def cut(self, length: int) -> None:
        """Drop what was not sent yet; what was sent stays as a hole that no stretch names."""
        sent = self.length - len(self._held)
        self.length = max(length, sent)
        del self._held[self.length - sent :]

    def begin_sync(self) -> None:
        self.sync()

    def sync(self) -> None:
        self._require_sound()
        if self.durable_length == self.length:
            return
        with self._poisoning():
            if self.upload_id:
                self._complete()
            else:
                body = bytes(self._held)
                self._client.put_object(Bucket=self._bucket, Key=self._key, Body=body, ContentMD5=_checksum(body))
            if _head(self._client, bucket=self._bucket, key=self._key) != self.length:
                raise errors.StorageUnavailable
        self.durable_length = self.length
        self._held.clear()

    def close(self) -> None:
        """Nothing to close; an upload that was not completed is ended by `abort`."""
        self._held.clear()

    def _send_part(self) -> None:
        if not self.upload_id:
            begun = self._client.create_multipart_upload(Bucket=self._bucket, Key=self._key)
            self.upload_id = begun["UploadId"]
        number, body = len(self._parts) + 1, bytes(self._held)
        sent = self._client.upload_part(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self.upload_id,
            PartNumber=number,
            Body=body,
            ContentMD5=_checksum(body),
        )
        self._parts.append({"ETag": sent["ETag"], "PartNumber": number})
        self._held.clear()

    def _complete(self) -> None:
        if self._held:
            self._send_part()
        self._client.complete_multipart_upload(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self.upload_id,
            MultipartUpload={"Parts": self._parts},
        )

    def _require_sound(self) -> None:
        if self._poisoned:
            raise errors.StorageUnavailable

    @contextmanager
    def _poisoning(self) -> Iterator[None]:
        try:
            with translated():
                yield
        except errors.ExchangeError:
            self._poisoned = True
            raise


@contextmanager
def translated() -> Iterator[None]:
    """Turn the client's errors into ours; none of its text goes on, it can hold keys and addresses."""
    try:
        yield
    except ClientError as error:
        code = _code(error)
        if code in _MISSING:
            raise errors.Integrity("A stored object is missing.") from error
        if code == "InvalidRange":
            raise errors.Integrity("A stored object is cut off.") from error
        raise (errors.StorageFull if code in _FULL else errors.StorageUnavailable) from error
    except (BotoCoreError, OSError) as error:
        raise errors.StorageUnavailable from error


def _connect(*, endpoint: str, region: str) -> "S3Client":
    config = Config(
        signature_version="s3v4",
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=64,
        s3={"addressing_style": "path" if endpoint else "auto"},
        # Not every S3 knows the checksums newer clients add by themselves; Content-MD5 all of them check.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    # A session of our own: the module's default one is not safe between threads.
    session = boto3.session.Session()
    return session.client("s3", endpoint_url=endpoint or None, region_name=region or "us-east-1", config=config)


def _head(client: "S3Client", *, bucket: str, key: str) -> int | None:
    try:
        return client.head_object(Bucket=bucket, Key=key)["ContentLength"]
    except ClientError as error:
        if _code(error) in _MISSING:
            return None
        raise


def _checksum(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
