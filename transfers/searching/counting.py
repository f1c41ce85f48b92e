"""What is computed at a search: counts and modalities, over what the caller may see and nothing else."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import connection

from transfers import retrieving
from transfers.searching import shelf
from transfers.searching.attributes import MODALITY
from transfers.searching.shelf import Study

# A partial index holds the few instances that a rejection note has hidden.
_REJECTED: Final = "SELECT DISTINCT study_id FROM transfers_instance WHERE rejected_by <> ''"
_COUNTS: Final = f"""
    SELECT st.study_instance_uid, count(DISTINCT se.series_instance_uid), count(DISTINCT i.sop_instance_uid)
      FROM transfers_instance i
      JOIN transfers_series se ON se.id = i.series_id JOIN transfers_study st ON st.id = i.study_id
     WHERE i.study_id = ANY(%s) AND {retrieving.SHOWN}
     GROUP BY st.study_instance_uid
"""  # noqa: S608 - only a constant is inserted
_MODALITIES: Final = f"""
    SELECT se.study_id, se.series_instance_uid, se.record FROM transfers_series se
     WHERE se.study_id = ANY(%s) AND se.record IS NOT NULL
       AND EXISTS (SELECT 1 FROM transfers_instance i WHERE i.series_id = se.id AND {retrieving.SHOWN})
     ORDER BY se.id
"""  # noqa: S608 - only a constant is inserted
_SERIES: Final = f"""
    SELECT i.series_id, count(*) FROM transfers_instance i
     WHERE i.series_id = ANY(%s) AND {retrieving.SHOWN} GROUP BY i.series_id
"""  # noqa: S608 - only a constant is inserted
_MERGED_SERIES: Final = f"""
    SELECT count(DISTINCT i.sop_instance_uid) FROM transfers_instance i
     WHERE i.series_id = ANY(%s) AND {retrieving.SHOWN}
"""  # noqa: S608 - only a constant is inserted


@dataclass(frozen=True, slots=True)
class Counts:
    series: int
    instances: int


def rejected_studies() -> frozenset[int]:
    """Rows of studies in which a rejection note hides something, whoever may see them."""
    with connection.cursor() as cursor:
        cursor.execute(_REJECTED)
        return frozenset(row[0] for row in cursor.fetchall())


def is_plain(study: Study, rejected: Collection[int]) -> bool:
    """Whether the columns of a study count what the caller sees: one transfer, validated whole, nothing hidden."""
    return len(study.members) == 1 and not study.main.seen.is_sender and study.main.pk not in rejected


def without_hidden(studies: list[Study], rejected: Collection[int]) -> list[Study]:
    """Leave out studies of which nothing is shown: all of it rejected, or, for the sender, not validated yet."""
    if not rejected and not any(study.main.seen.is_sender for study in studies[:1]):
        return studies
    doubtful = [study for study in studies if not is_plain(study, rejected)]
    if not doubtful:
        return studies
    shown = _counted(doubtful)
    return [study for study in studies if is_plain(study, rejected) or study.uid in shown]


def counts_of(studies: Sequence[Study], rejected: Collection[int]) -> dict[str, Counts]:
    """Series and instances of each study, each UID counted once."""
    counts = {study.uid: Counts(study.main.series_count, study.main.instance_count) for study in studies}
    doubtful = [study for study in studies if not is_plain(study, rejected)]
    return counts | _counted(doubtful) if doubtful else counts


def fill_modalities(studies: Iterable[Study], rejected: Collection[int]) -> None:
    """Find Modalities in Study (0008,0061) of those that do not have it yet, or may have lost one since."""
    unknown = [study for study in studies if study.modalities is None or not is_plain(study, rejected)]
    if not unknown:
        return
    by_pk = {member.pk: (study, member) for study in unknown for member in study.members}
    found: dict[str, dict[str, None]] = {study.uid: {} for study in unknown}
    opener = shelf.Opener()
    with connection.cursor() as cursor:
        cursor.execute(_MODALITIES, [list(by_pk)])
        for study_pk, series_uid, sealed in cursor.fetchall():
            study, member = by_pk[study_pk]
            record = opener.open(member.seen, "series", series_uid, sealed)
            found[study.uid].update(dict.fromkeys(record.get(MODALITY, {}).get("Value", ())))
    for study in unknown:
        study.modalities = tuple(sorted(found[study.uid]))


def count_series(groups: Sequence[Sequence[int]]) -> list[int]:
    """Instances shown of each series, given the rows that share its UID."""
    single = {pks[0]: 0 for pks in groups if len(pks) == 1}
    with connection.cursor() as cursor:
        if single:
            cursor.execute(_SERIES, [list(single)])
            single.update(cursor.fetchall())
        counts = []
        for pks in groups:
            if len(pks) > 1:
                cursor.execute(_MERGED_SERIES, [list(pks)])
                counts.append(int(cursor.fetchone()[0]))
            else:
                counts.append(single[pks[0]])
    return counts


def _counted(studies: Iterable[Study]) -> dict[str, Counts]:
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, [shelf.member_pks(studies)])
        return {uid: Counts(series, instances) for uid, series, instances in cursor.fetchall()}
