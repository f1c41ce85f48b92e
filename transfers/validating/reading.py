"""Read once more what was stored: verify it, show it to the scanner, and leave its header for the sandbox."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from transfers import errors, sandbox, vault
from transfers.formats import checksum
from transfers.keys.opened import TransferKey
from transfers.models import Document, Instance
from transfers.rules import conformance
from transfers.sandbox import Description, Trimmed, Trimmer
from transfers.validating import scanning


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in one instance; `description` is None where it must not or cannot be shown."""

    instance: Instance
    codes: tuple[str, ...]
    description: Description | None = None


def judge_instances(instances: Iterable[Instance], *, key: TransferKey) -> list[Verdict]:
    """Verify every octet of each instance and describe those that are whole and clean."""
    checked = [(instance, *_check(instance, key=key)) for instance in instances]
    sound = [trimmed for _, _, trimmed in checked if trimmed is not None]
    descriptions = iter(sandbox.describe(sound))
    return [
        Verdict(instance, (code,)) if trimmed is None else _judge(instance, next(descriptions))
        for instance, code, trimmed in checked
    ]


def judge_document(document: Document, *, key: TransferKey) -> str:
    """The code of what is wrong with a document, empty if nothing is."""
    content = bytearray()
    code = _verify(document, key=key, kind=vault.DOCUMENT, keep=content.extend)
    if code:
        return code
    active = sandbox.inspect(bytes(content), media_type=document.media_type)
    return "unreadable" if active is None else "active-content" if active else ""


def _judge(instance: Instance, description: Description | None) -> Verdict:
    if description is None:
        return Verdict(instance, ("unreadable",))
    stored = conformance.Stored(
        sop_class_uid=instance.sop_class_uid,
        transfer_syntax_uid=instance.transfer_syntax_uid,
        pixel_length=instance.pixel_length,
    )
    return Verdict(instance, conformance.codes_of_instance(description.facts, stored), description)


def _check(instance: Instance, *, key: TransferKey) -> tuple[str, Trimmed | None]:
    trimmer = Trimmer(transfer_syntax_uid=instance.transfer_syntax_uid, dataset_offset=instance.dataset_offset)
    code = _verify(instance, key=key, kind=vault.INSTANCE, keep=trimmer.feed)
    return code, None if code else Trimmed(bytes(trimmer.kept), path_of(instance))


def _verify(stored: Instance | Document, *, key: TransferKey, kind: bytes, keep: Callable[[bytes], None]) -> str:
    """Pass every octet on, and say what is wrong with them as a whole: integrity, malware, or nothing."""
    digest, crc32 = hashlib.sha256(), 0
    try:
        with scanning.scan() as scan:
            for chunk in _stream(stored, key=key, kind=kind):
                digest.update(chunk)
                crc32 = checksum.crc32(chunk, crc32)
                keep(chunk)
                scan.feed(chunk)
            is_infected = scan.is_infected()
    except errors.Integrity:
        return "integrity"
    if digest.digest() != bytes(stored.sha256) or crc32 != stored.crc32:
        return "integrity"
    return "malware" if is_infected else ""


def _stream(stored: Instance | Document, *, key: TransferKey, kind: bytes) -> Iterator[bytes]:
    name = stored.pack.name
    return vault.read(
        name,
        key=key.packs,
        aad_prefix=(key.organization.encode(), key.transfer.encode(), name.encode()),
        stretch=vault.Stretch(stored.ordinal, stored.offset, stored.sealed_length),
        kind=kind,
    )


def path_of(instance: Instance) -> str:
    """The path of an instance below a DICOMweb root (PS3.18 Table 10.4.1-1)."""
    study, series = instance.study.study_instance_uid, instance.series.series_instance_uid
    return f"/studies/{study}/series/{series}/instances/{instance.sop_instance_uid}"
