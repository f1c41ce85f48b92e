"""Ask the sandbox what instances say, and build from its answers what the rest may rely on.

The child has read untrusted data and may have been taken over: every value of its answer is checked for
its type here, and none is used as code, path or query.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from transfers import errors
from transfers.rules.conformance import InstanceFacts
from transfers.rules.identity import Patient
from transfers.sandbox import workers

MODULE: Final = "transfers.sandbox.describing"
# Enough to make the way there and back cheap, few enough that one bad instance costs little.
BATCH: Final = 64
BATCH_BYTES: Final = 8 << 20
_SECONDS: Final = 20.0
_BYTES_A_SECOND: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Trimmed:
    """A file without its pixels (transfers/sandbox/trimming.py), and the path of its Retrieve URL."""

    file: bytes
    path: str


@dataclass(frozen=True, slots=True)
class Description:
    """What one instance says. `study` and `series` are given for the first one of a series in a batch."""

    record: bytes
    patient: Patient
    facts: InstanceFacts
    study: bytes | None
    series: bytes | None


def describe(instances: Sequence[Trimmed]) -> list[Description | None]:
    """Describe each instance; None for one that cannot be read within bounds.

    A batch in which the sandbox died is asked again one by one, so that only the culprit is blamed.
    """
    described: list[Description | None] = []
    for batch in _batches(instances):
        try:
            described += _ask(batch)
        except errors.SandboxKilled:
            described += [_ask_again(one) for one in batch]
    return described


def inspect(content: bytes, *, media_type: str) -> str | None:
    """What a document would do when opened, empty for nothing known; None if it cannot be read within bounds."""
    header = {"task": "inspect", "media_type": media_type}
    try:
        reply = workers.call(MODULE, header, content, seconds=_limit(len(content)), max_reply=0)
    except errors.SandboxKilled:
        return None
    return None if "error" in reply.header else _text(reply.header.get("active"))


def _batches(instances: Sequence[Trimmed]) -> Iterator[list[Trimmed]]:
    batch: list[Trimmed] = []
    size = 0
    for one in instances:
        if batch and (len(batch) == BATCH or size + len(one.file) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += len(one.file)
    if batch:
        yield batch


def _ask_again(one: Trimmed) -> Description | None:
    try:
        return _ask([one])[0]
    except errors.SandboxKilled:
        return None


def _ask(batch: Sequence[Trimmed]) -> list[Description | None]:
    header = {
        "task": "describe",
        "lengths": [len(one.file) for one in batch],
        "paths": [one.path for one in batch],
    }
    body = b"".join(one.file for one in batch)
    reply = workers.call(MODULE, header, body, seconds=_limit(len(body)), max_reply=(64 << 20) + 8 * len(body))
    answers = reply.header.get("instances")
    if not isinstance(answers, list) or len(answers) != len(batch):
        raise errors.SandboxKilled
    described, at = [], 0
    for answer in answers:
        length = _number(answer.get("record")) or 0
        described.append(_description(answer, reply.body[at : at + length]))
        at += length
    return described


def _limit(size: int) -> float:
    return _SECONDS + size / _BYTES_A_SECOND


def _description(answer: Mapping[str, Any], record: bytes) -> Description | None:  # Any: JSON
    if "error" in answer or not record:
        return None
    study, series = answer.get("study"), answer.get("series")
    return Description(
        record=record,
        patient=_patient(answer.get("patient")),
        facts=_facts(answer),
        study=json.dumps(study).encode() if isinstance(study, dict) else None,
        series=json.dumps(series).encode() if isinstance(series, dict) else None,
    )


def _patient(said: Any) -> Patient:  # Any: JSON
    said = said if isinstance(said, dict) else {}
    return Patient(
        patient_id=_text(said.get("patient_id")),
        issuer=_text(said.get("issuer")),
        name=_text(said.get("name")),
        birth_date=_text(said.get("birth_date")),
    )


def _facts(answer: Mapping[str, Any]) -> InstanceFacts:  # Any: JSON
    return InstanceFacts(
        modality=_text(answer.get("modality")),
        series_number=_number(answer.get("series_number")),
        instance_number=_number(answer.get("instance_number")),
        knows_characters=answer.get("knows_characters") is True,
        burned_in=_text(answer.get("burned_in")),
        is_lossy=answer.get("is_lossy") is True,
        pixel_bits=_number(answer.get("pixel_bits")),
        bad_values=_number(answer.get("bad_values")) or 0,
        active=_text(answer.get("active")),
    )


def _text(value: Any) -> str:  # Any: JSON
    return value.replace("\0", "") if isinstance(value, str) else ""


def _number(value: Any) -> int | None:  # Any: JSON
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 62 else None
