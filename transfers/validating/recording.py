"""Write what was read into the sealed records, and only for the very bytes that were read.

A later version may arrive at any moment: it has another digest, and an update that names the digest it read
passes it by.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.db import connection, transaction

from transfers import errors, lookups
from transfers.keys.opened import TransferKey
from transfers.lookups import Hashes
from transfers.models import Transfer
from transfers.rules import identity
from transfers.rules.identity import Domains
from transfers.rules.lifecycle import State
from transfers.validating.reading import Verdict

UNDER_VALIDATION: Final = (State.DRAFT, State.VALIDATING)

_INSTANCES: Final = """
    UPDATE transfers_instance i
       SET record = new.record, found_codes = new.codes,
           validated_sha256 = CASE WHEN new.record IS NULL THEN NULL ELSE new.sha256 END
      FROM unnest(%s::bigint[], %s::bytea[], %s::bytea[], %s::text[]) AS new (id, sha256, record, codes)
     WHERE i.id = new.id AND i.sha256 = new.sha256
"""
_SERIES: Final = "UPDATE transfers_series SET record = %s WHERE id = %s"
_STUDY: Final = "UPDATE transfers_study SET record = %s, patient_hash = %s, accession_hash = %s WHERE id = %s"
_MODALITIES: Final = "00080061"


@dataclass(slots=True)
class Recorder:
    """Writes batches of one run; the first instance of a study or series speaks for it."""

    transfer: Transfer
    key: TransferKey
    domains: Domains
    _studies: set[int] = field(default_factory=set)
    _series: set[int] = field(default_factory=set)

    def write(self, verdicts: Sequence[Verdict]) -> None:
        """Write one batch in one short transaction; Conflict if the transfer is no longer ours to write."""
        if not verdicts:
            return
        sealed = [self._row(verdict) for verdict in verdicts]
        with transaction.atomic(), connection.cursor() as cursor:
            lock(self.transfer)
            cursor.execute(_INSTANCES, [list(column) for column in zip(*sealed, strict=True)])
            cursor.executemany(_SERIES, list(self._series_rows(verdicts)))
            cursor.executemany(_STUDY, list(self._study_rows(verdicts)))

    def _row(self, verdict: Verdict) -> tuple[int, bytes, bytes | None, str]:
        instance, description = verdict.instance, verdict.description
        sealed = self.key.seal("instance", instance.sop_instance_uid, description.record) if description else None
        return instance.pk, bytes(instance.sha256), sealed, " ".join(verdict.codes)

    def _series_rows(self, verdicts: Iterable[Verdict]) -> list[tuple[bytes, int]]:
        rows = []
        for verdict in verdicts:
            series, description = verdict.instance.series, verdict.description
            if description and description.series and series.pk not in self._series:
                self._series.add(series.pk)
                rows.append((self.key.seal("series", series.series_instance_uid, description.series), series.pk))
        return rows

    def _study_rows(self, verdicts: Iterable[Verdict]) -> list[tuple[bytes, bytes | None, bytes | None, int]]:
        rows = []
        for verdict in verdicts:
            study, description = verdict.instance.study, verdict.description
            if description and description.study and study.pk not in self._studies:
                self._studies.add(study.pk)
                hashes = self._hashes(description.study)
                record = self.key.seal("study", study.study_instance_uid, description.study)
                rows.append((record, hashes.patient, hashes.accession, study.pk))
        return rows

    def _hashes(self, study: bytes) -> Hashes:
        return lookups.hashes_of(identity.of_study(json.loads(study), default=self.domains), self.key.hash)


def write_modalities(transfer: Transfer, by_study: Mapping[str, set[str]], *, key: TransferKey) -> None:
    """Add Modalities in Study (0008,0061) to the records of studies, so that a search needs none of their series."""
    for study in transfer.studies.filter(record__isnull=False):
        record = json.loads(key.open("study", study.study_instance_uid, study.record or b""))
        modalities = {"vr": "CS", "Value": sorted(by_study.get(study.study_instance_uid, ()))}
        if record.get(_MODALITIES) != modalities:
            plain = json.dumps({**record, _MODALITIES: modalities}, ensure_ascii=False, separators=(",", ":")).encode()
            study.record = key.seal("study", study.study_instance_uid, plain)
            study.save(update_fields=["record"])


def lock(transfer: Transfer) -> None:
    """Lock the row and check that it is still under validation and purged on the day it was.

    Raises Conflict otherwise: look-up hashes made for one day are no use on another.
    """
    row = (
        Transfer.objects.select_for_update()
        .filter(pk=transfer.pk, state__in=UNDER_VALIDATION, wrapped_key__isnull=False)
        .values_list("day_key_id", flat=True)
        .first()
    )
    if row is None:
        raise errors.Conflict
    if row != transfer.day_key_id:
        raise errors.Unavailable
