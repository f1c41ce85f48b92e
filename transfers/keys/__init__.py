"""Keys: how they hang together, how long they live, how they die (docs/envelope.md Section 5).

EXCHANGE_KEYS names where they lie; EXCHANGE_ROOT_KEY (32 bytes as hex or base64), if set, seals every one.
Keys are random, made once, and never in the database except wrapped under a day key.
"""

import binascii
import hmac
import json
import os
import re
import secrets
from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import unquote, urlsplit

from django.conf import settings

from transfers import errors
from transfers.formats import envelope
from transfers.keys.checkpoints import AuditCheckpoints
from transfers.keys.folder import Destruction, Folder, Provider

__all__ = ["AuditCheckpoints", "DayKey", "DayKeyName", "Destruction", "Provider"]

_DAY_KEY_ID = re.compile(r"(\d{4}-\d{2}-\d{2})-[0-9a-f]{16}")
# Which key a day has, by (EXCHANGE_KEYS, day); whether it still is there is asked at every use.
_of_day: dict[tuple[str, date], str] = {}


@dataclass(frozen=True)
class DayKeyName:
    id: str
    day: date


@dataclass(frozen=True)
class DayKey:
    """The key of one UTC day of purging."""

    id: str
    day: date
    key: bytes = field(repr=False)


def day_key(day: date) -> DayKey:
    """Return the key of a day, made by whoever asks first."""
    slot = (settings.EXCHANGE_KEYS, day)
    with suppress(LookupError):
        return _read_day_key(_of_day[slot])
    prefix = f"day-{day.isoformat()}-"
    name = provider().create_once(prefix, name=prefix + secrets.token_hex(8))
    day_key_id = _of_day[slot] = name.removeprefix("day-")
    return _read_day_key(day_key_id)


def day_key_by_id(day_key_id: str) -> DayKey:
    """Return a day key; Gone if it was destroyed, KeyUnavailable if it is missing without a record."""
    try:
        return _read_day_key(day_key_id)
    except LookupError:
        if _outcomes(day_key_id):
            raise errors.Gone("The key of this transfer was destroyed.") from None
        raise errors.KeyUnavailable("A day key is missing. Is this the key folder of these data?") from None


def list_day_keys() -> list[DayKeyName]:
    """Name the day keys that exist, the oldest day first."""
    return [_name(name.removeprefix("day-")) for name in provider().names("day-")]


def day_of(day_key_id: str) -> date:
    """Return the day that a key is of, whether or not it still exists."""
    return _name(day_key_id).day


def destroy_day_key(day_key_id: str) -> Destruction:
    """Destroy a day key and say how surely. Safe to repeat; the journal tells of it before and after."""
    name = f"day-{_name(day_key_id).id}"
    told = _outcomes(day_key_id)
    if name in provider().names(name):
        append_destruction({"event": "day key", "day_key": day_key_id, "outcome": "begun"})
        outcome: Destruction = provider().destroy(name)
    elif not told:
        raise errors.KeyUnavailable("This day key is not here. Is this the key folder of these data?")
    elif told[-1] == "begun":
        outcome = "best effort"  # a crash came between the removal and its record
    else:
        return cast(Destruction, told[-1])
    append_destruction({"event": "day key", "day_key": day_key_id, "outcome": outcome})
    return outcome


def append_destruction(line: dict[str, Any]) -> None:  # Any: whatever JSON can hold
    """Add a line to the journal beside the keys: what a restore must destroy again."""
    provider().append_line(json.dumps(line, sort_keys=True, separators=(",", ":")))


def read_destructions() -> list[dict[str, Any]]:  # Any: see append_destruction
    """Return the journal, oldest first."""
    return [json.loads(line) for line in provider().lines()]


def register_key() -> bytes:
    """Return the long-lived key of tombstones, the disclosure register and e-mail look-ups."""
    return _lasting("register")


def pepper() -> bytes:
    """Return the key under which tokens, keys of machines and PINs are kept as hashes."""
    return _lasting("pepper")


def audit_seed() -> bytes:
    """Return the Ed25519 seed that signs the checkpoints of the audit trail."""
    return _lasting("audit-seed")


def root_record_key() -> bytes:
    """Return the key of secrets that must be recoverable: endpoints, webhooks, TOTP."""
    return _lasting("root-records")


def fingerprint() -> str:
    """Return what the data may keep to know their key folder again."""
    return keyed_hash(register_key(), "fingerprint").hex()[:32]


def check_keys(expected: str) -> bool:
    """Tell whether these keys belong to the data that hold this fingerprint; makes no key."""
    if "register" not in provider().names("register"):
        return False
    return hmac.compare_digest(fingerprint(), expected)


def new_transfer_key() -> bytes:
    return secrets.token_bytes(envelope.KEY_SIZE)


def wrap(transfer_key: bytes, day_key: DayKey, *, organization: str, transfer: str) -> bytes:
    """Seal a transfer key under a day key, bound to whose it is."""
    bound = _bound(organization, transfer, day_key.id)
    return envelope.seal_record(_labelled(day_key.key, "wrap"), transfer_key, bound)


def unwrap(wrapped: bytes, *, day_key_id: str, organization: str, transfer: str) -> bytes:
    """Open a transfer key; Gone or KeyUnavailable without its day key, Integrity if it is another's."""
    key = day_key_by_id(day_key_id).key
    return envelope.open_record(_labelled(key, "wrap"), wrapped, _bound(organization, transfer, day_key_id))


def subkey(transfer_key: bytes, label: Literal["packs", "records"]) -> bytes:
    return _labelled(transfer_key, label)


def index_key(day_key: DayKey) -> bytes:
    """Return the key of exact look-ups by keyed hash; it dies with its day."""
    return _labelled(day_key.key, "index")


def keyed_hash(key: bytes, *parts: str) -> bytes:
    """Return HMAC-SHA256 over the parts, so joined that no two lists of them collide."""
    return hmac.digest(key, envelope.fields(*(part.encode() for part in parts)), "sha256")


def provider() -> Provider:
    """Return the keeper that the settings name."""
    root = getattr(settings, "EXCHANGE_ROOT_KEY", "") or os.environ.get("EXCHANGE_ROOT_KEY", "")
    return _provider(settings.EXCHANGE_KEYS, root)


@lru_cache(maxsize=8)
def _provider(url: str, root: str) -> Provider:
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc or not parts.path.startswith("/"):
        raise errors.KeyUnavailable("EXCHANGE_KEYS must be file:///a/folder.")
    return Folder(Path(unquote(parts.path)), root=_root_key(root) if root else None)


def _root_key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text) if len(text) == 64 else b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != envelope.KEY_SIZE:
        raise errors.KeyUnavailable("EXCHANGE_ROOT_KEY must be 32 bytes as hex or base64.")
    return key


def _name(day_key_id: str) -> DayKeyName:
    match = _DAY_KEY_ID.fullmatch(day_key_id)
    if match is None:
        raise errors.KeyUnavailable("This is not the id of a day key.")
    return DayKeyName(id=day_key_id, day=date.fromisoformat(match[1]))


def _read_day_key(day_key_id: str) -> DayKey:
    name = _name(day_key_id)
    return DayKey(id=name.id, day=name.day, key=provider().read(f"day-{name.id}"))


def _outcomes(day_key_id: str) -> list[Any]:  # Any: "begun" or a Destruction, as read from JSON
    return [line["outcome"] for line in read_destructions() if line.get("day_key") == day_key_id and "outcome" in line]


def _lasting(name: str) -> bytes:
    try:
        return provider().read(name)
    except LookupError:
        return provider().read(provider().create_once(name, name=name))


def _labelled(key: bytes, label: str) -> bytes:
    return envelope.derive(key, info=f"waystation {label}".encode())


def _bound(organization: str, transfer: str, day_key_id: str) -> bytes:
    parts = ("transfer key", organization, transfer, day_key_id)
    return envelope.fields(*(part.encode() for part in parts))
