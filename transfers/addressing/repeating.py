"""A POST with an Idempotency-Key is carried out once; its repetition gets the same answer, PINs included.

The key is claimed in the transaction of the act: whoever sends the same key at the same moment waits for the
first to commit and then reads its answer, and where the first fails there is nothing to read and the second acts.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from accounts.principals import Principal
from transfers import errors, keys, lookups
from transfers.formats import envelope
from transfers.models import IdempotencyKey, Transfer

# Long enough for a client that retries over a night, short enough that answers with secrets do not pile up.
KEPT: Final = timedelta(hours=24)
MAX_KEY: Final = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What a door answered; `transfer_id` names the transfer whose key seals it for a repetition.

    What is `shown_once` is not kept at all: a repetition is told so, and makes nothing.
    """

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    transfer_id: UUID | None = None
    shown_once: bool = False


def once(who: Principal, key: str, *, request: bytes, act: Callable[[], Answer]) -> Answer:
    """Act and keep the answer, or give the answer that is kept; without a key, just act.

    `request` is everything that makes the request what it is. Raises Conflict where the key came with another one, or
    where the answer was shown once.
    """
    if not key:
        return act()
    if len(key) > MAX_KEY:
        raise errors.BadRequest(f"An Idempotency-Key has at most {MAX_KEY} characters.")
    claim = {"principal": who.ident, "key_digest": hashlib.sha256(key.encode()).digest()}
    digest = hashlib.sha256(request).digest()
    IdempotencyKey.objects.filter(created_at__lt=Now() - KEPT).delete()
    with transaction.atomic():
        row, is_new = IdempotencyKey.objects.get_or_create(**claim, defaults={"request_digest": digest})
        if not is_new:
            return _repeated(row, digest)
        answer = act()
        _keep(row, answer)
    return answer


def _keep(row: IdempotencyKey, answer: Answer) -> None:
    plain = json.dumps(
        {"body": base64.b64encode(answer.body).decode(), "headers": dict(answer.headers)}, separators=(",", ":")
    ).encode()
    # An act may have destroyed the transfer's key: what is answered then holds nothing of it.
    live = Transfer.objects.filter(pk__in=[answer.transfer_id], wrapped_key__isnull=False).exists()
    row.transfer_id, row.status = answer.transfer_id if live else None, answer.status
    row.answer_record = None if answer.shown_once else _seal(row, plain)
    row.save(update_fields=["transfer", "status", "answer_record"])


def _repeated(row: IdempotencyKey, digest: bytes) -> Answer:
    if bytes(row.request_digest) != digest:
        raise errors.Conflict("This Idempotency-Key came with another request before. Use a new key for a new request.")
    if row.answer_record is None and row.status is not None:
        raise errors.Conflict(
            "It was made with this Idempotency-Key already; its secret was shown then and is not kept."
        )
    if row.answer_record is None or row.status is None:
        raise errors.Conflict("The first request with this Idempotency-Key is still running. Try again shortly.")
    kept = json.loads(_open(row, bytes(row.answer_record)))
    return Answer(row.status, base64.b64decode(kept["body"]), kept["headers"], row.transfer_id)


def _seal(row: IdempotencyKey, plain: bytes) -> bytes:
    if row.transfer_id is not None:
        return lookups.open_key(Transfer.objects.get(pk=row.transfer_id)).seal("answer", str(row.pk), plain)
    return envelope.seal_record(keys.root_record_key(), plain, _bound(row))


def _open(row: IdempotencyKey, sealed: bytes) -> bytes:
    if row.transfer_id is not None:
        return lookups.open_key(Transfer.objects.get(pk=row.transfer_id)).open("answer", str(row.pk), sealed)
    return envelope.open_record(keys.root_record_key(), sealed, _bound(row))


def _bound(row: IdempotencyKey) -> bytes:
    return envelope.fields(b"answer", row.principal.encode(), str(row.pk).encode())
