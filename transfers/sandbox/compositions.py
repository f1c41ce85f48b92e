"""Have the sandbox write instances of their metadata, and believe its answer no further than its form."""

import re
from dataclasses import dataclass
from typing import Any, Final

from transfers import errors
from transfers.formats import explicit
from transfers.formats.composing import Bulk, Piece
from transfers.sandbox import workers

MODULE: Final = "transfers.sandbox.composing"
_SECONDS: Final = 20.0
_BYTES_A_SECOND: Final = 1 << 20
_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_VR: Final = re.compile(r"[A-Z]{2}")
_UID: Final = re.compile(r"[0-9.]{1,64}")
_SENTENCES: Final = {
    "syntax": "The metadata are no JSON, or name a member twice.",
    "array": "The metadata are an array with a data set for each instance (PS3.18 Section 10.5.2).",
    "many": "The metadata hold more than 10,000 instances. Send fewer at once.",
}
_TOO_MUCH: Final = "The metadata cannot be read within bounds. Send fewer instances at once."


@dataclass(frozen=True, slots=True)
class Plan:
    """What an instance is put together of; `refusal` says why it cannot be.

    `native_length` is that of its pixel data uncompressed, None where the metadata do not say.
    """

    sop_class_uid: str
    sop_instance_uid: str
    pieces: tuple[Piece, ...] = ()
    number_of_frames: int = 1
    native_length: int | None = None
    refusal: errors.InstanceRefused | None = None


def compose(metadata: bytes) -> list[Plan]:
    """A plan for each instance of a JSON array; raises BadRequest where it is none."""
    try:
        reply = workers.call(
            MODULE,
            {},
            metadata,
            seconds=_SECONDS + len(metadata) / _BYTES_A_SECOND,
            max_reply=(16 << 20) + 4 * len(metadata),
        )
    except errors.SandboxKilled:
        raise errors.BadRequest(_TOO_MUCH) from None
    answers = reply.header.get("instances")
    if not isinstance(answers, list):
        raise errors.BadRequest(_SENTENCES.get(str(reply.header.get("error")), _TOO_MUCH))
    plans, at = [], 0
    for answer in answers:
        plan, at = _plan(answer, reply.body, at)
        plans.append(plan)
    return plans


def _plan(answer: Any, body: bytes, at: int) -> tuple[Plan, int]:  # Any: JSON
    sop_class, sop_instance = (name if _UID.fullmatch(name) else "" for name in map(str, answer["names"]))
    if "unwritable" in answer:
        return Plan(sop_class, sop_instance, refusal=_unwritable(str(answer["unwritable"]))), at
    pieces: list[Piece] = []
    for said in answer["pieces"]:
        if isinstance(said, int):
            if not 0 <= said <= len(body) - at:
                raise errors.SandboxKilled
            pieces.append(bytes(body[at : at + said]))
            at += said
        else:
            pieces.append(_bulk(*said))
    native = answer["native"]
    length = native if isinstance(native, int) and 0 <= native < explicit.UNDEFINED else None
    return Plan(sop_class, sop_instance, tuple(pieces), int(answer["frames"]), length), at


def _bulk(uri: Any, tag: Any, vr: Any, is_nested: Any) -> Bulk:  # Any: JSON
    if not isinstance(tag, int) or not 0 <= tag <= 0xFFFFFFFF or not _VR.fullmatch(str(vr)):
        raise errors.SandboxKilled
    return Bulk(str(uri), tag, str(vr), is_nested=bool(is_nested))


def _unwritable(tag: str) -> errors.InstanceRefused:
    """A tag says where to look, and nothing about anybody."""
    where = f" at {tag.upper()}" if _TAG.fullmatch(tag) else ""
    return errors.MalformedInstance(f"The metadata cannot be written as a data set{where}.")
