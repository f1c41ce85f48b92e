"""The rows of a push: studies, series, instances and counters in one statement (no COPY, no row by row).

The transfer row is locked, so nothing else adds to the transfer meanwhile: what the statement makes and what it
finds are disjoint. Parts of one statement do not see each other's rows; counters of a row that is made here are
therefore written with it, and those of a row that was there are added to.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, LiteralString
from uuid import UUID

from accounts import statements
from transfers.formats import frametable
from transfers.receiving.push import Push, Staged

_COLUMNS: Final = """
    sop_class_uid, sop_instance_uid, transfer_syntax_uid, ordinal, "offset", sealed_length, size, sha256, crc32,
    dataset_offset, pixel_offset, pixel_value_offset, pixel_length, tail_crc32, frame_count, frames
"""
# A changed version keeps its row and loses what was found out about the earlier one.
# The push is closed in the same statement: its lease ends, and its pack is as long as what is durable.
_INSERT: Final = f"""
    WITH news AS (SELECT * FROM json_to_recordset(%(news)s) AS news (
        study_instance_uid text, series_instance_uid text, is_added bool, sop_class_uid text, sop_instance_uid text,
        transfer_syntax_uid text, ordinal int, "offset" bigint, sealed_length bigint, size bigint, sha256 bytea,
        crc32 bigint, dataset_offset int, pixel_offset bigint, pixel_value_offset bigint, pixel_length bigint,
        tail_crc32 bigint, frame_count int, frames bytea)),
    made_study AS (
        INSERT INTO transfers_study (transfer_id, study_instance_uid, series_count, instance_count, received_at)
        SELECT %(transfer)s, study_instance_uid, count(DISTINCT series_instance_uid), count(*), now() FROM news
         GROUP BY study_instance_uid ORDER BY study_instance_uid
        ON CONFLICT DO NOTHING RETURNING id, study_instance_uid),
    found_study AS (
        SELECT id, study_instance_uid FROM transfers_study
         WHERE transfer_id = %(transfer)s AND study_instance_uid IN (SELECT study_instance_uid FROM news)),
    study AS (SELECT * FROM made_study UNION ALL SELECT * FROM found_study),
    made_series AS (
        INSERT INTO transfers_series (study_id, series_instance_uid, instance_count, received_at)
        SELECT study.id, series_instance_uid, count(*), now() FROM news
          JOIN study USING (study_instance_uid)
         GROUP BY study.id, series_instance_uid ORDER BY series_instance_uid
        ON CONFLICT DO NOTHING RETURNING id, study_id, series_instance_uid),
    found_series AS (
        SELECT id, study_id, series_instance_uid FROM transfers_series
         WHERE study_id IN (SELECT id FROM found_study)
           AND series_instance_uid IN (SELECT series_instance_uid FROM news)),
    series AS (SELECT * FROM made_series UNION ALL SELECT * FROM found_series),
    placed AS (
        INSERT INTO transfers_instance (transfer_id, pack_id, received_at, rejected_by, study_id, series_id, {_COLUMNS})
        SELECT %(transfer)s, %(pack)s, now(), '', study.id, series.id, {_COLUMNS} FROM news
          JOIN study USING (study_instance_uid)
          JOIN series ON (series.study_id, series.series_instance_uid) = (study.id, news.series_instance_uid)
         ORDER BY sop_instance_uid
        ON CONFLICT (transfer_id, sop_instance_uid) DO UPDATE
           SET pack_id = excluded.pack_id, received_at = excluded.received_at, record = NULL, rejected_by = '',
               validated_sha256 = NULL, study_id = excluded.study_id, series_id = excluded.series_id,
               ({_COLUMNS}) = (SELECT {_COLUMNS} FROM news WHERE news.sop_instance_uid = excluded.sop_instance_uid)),
    counted_series AS (
        UPDATE transfers_series s SET instance_count = s.instance_count + added.n
          FROM (SELECT f.id, count(*) AS n FROM news
                  JOIN found_study USING (study_instance_uid)
                  JOIN found_series f
                       ON (f.study_id, f.series_instance_uid) = (found_study.id, news.series_instance_uid)
                 WHERE is_added GROUP BY f.id) added
         WHERE s.id = added.id),
    counted_study AS (
        UPDATE transfers_study s SET instance_count = s.instance_count + added.n,
               series_count = s.series_count + (SELECT count(*) FROM made_series WHERE study_id = s.id)
          FROM (SELECT found_study.id, count(*) FILTER (WHERE is_added) AS n FROM news
                  JOIN found_study USING (study_instance_uid) GROUP BY found_study.id) added
         WHERE s.id = added.id),
    lease AS (DELETE FROM transfers_lease WHERE id = %(lease)s),
    pack AS (UPDATE transfers_pack SET is_open = false, committed_length = %(end)s WHERE id = %(pack)s)
    UPDATE transfers_transfer
       SET instance_count = instance_count + %(added)s, byte_count = byte_count + %(grown)s,
           stored_bytes = stored_bytes + %(sealed)s, study_count = study_count + (SELECT count(*) FROM made_study),
           last_byte_at = now(), quiet_until = now() + make_interval(secs => %(quiet)s), revision = revision + 1
     WHERE id = %(transfer)s
"""  # noqa: S608 - built from the column list above

# After a version that lies in another study or series than the one it replaces: what was found out about the places
# it left may have been said by it, so it is forgotten and read anew; places without instances go.
_LEFT: Final = """
    SELECT i.sop_instance_uid, i.study_id, i.series_id, st.study_instance_uid, se.series_instance_uid
      FROM transfers_instance i
      JOIN transfers_study st ON st.id = i.study_id JOIN transfers_series se ON se.id = i.series_id
     WHERE i.transfer_id = %s AND i.sop_instance_uid = ANY(%s)
"""
_TIDY: Final[tuple[LiteralString, ...]] = (
    "UPDATE transfers_instance SET record = NULL, validated_sha256 = NULL"
    " WHERE study_id = ANY(%(studies)s) OR series_id = ANY(%(series)s)",
    "UPDATE transfers_series SET record = NULL WHERE id = ANY(%(series)s) OR study_id = ANY(%(studies)s)",
    "UPDATE transfers_study SET record = NULL, patient_hash = NULL, accession_hash = NULL WHERE id = ANY(%(studies)s)",
    "DELETE FROM transfers_series s WHERE id = ANY(%(series)s)"
    " AND NOT EXISTS (SELECT FROM transfers_instance WHERE series_id = s.id)",
    "DELETE FROM transfers_study s WHERE id = ANY(%(studies)s)"
    " AND NOT EXISTS (SELECT FROM transfers_instance WHERE study_id = s.id)",
    """
    UPDATE transfers_series s SET instance_count = (SELECT count(*) FROM transfers_instance WHERE series_id = s.id)
      FROM transfers_study st WHERE st.id = s.study_id AND st.transfer_id = %(transfer)s
    """,
    """
    UPDATE transfers_study s SET instance_count = (SELECT count(*) FROM transfers_instance WHERE study_id = s.id),
           series_count = (SELECT count(*) FROM transfers_series WHERE study_id = s.id)
     WHERE transfer_id = %(transfer)s
    """,
    "UPDATE transfers_transfer t SET study_count = (SELECT count(*) FROM transfers_study WHERE transfer_id = t.id)"
    " WHERE id = %(transfer)s",
)

HELD: Final = """
    SELECT sop_instance_uid, sha256, size FROM transfers_instance
     WHERE transfer_id = %s AND sop_instance_uid = ANY(%s)
"""
# What available transfers of the same sender to the same recipient hold: it is not sent a second time.
_HELD_BY_EARLIER: Final = """
    SELECT i.sop_instance_uid, i.sha256, i.transfer_id
      FROM transfers_delivery mine
      JOIN transfers_delivery d ON d.organization_id = mine.organization_id
           AND d.department_id IS NOT DISTINCT FROM mine.department_id
      JOIN transfers_transfer t ON t.id = d.transfer_id
      JOIN transfers_instance i ON i.transfer_id = t.id
     WHERE mine.transfer_id = %s AND i.sop_instance_uid = ANY(%s) AND t.sender_id = %s AND t.state = 'available'
       AND t.available_until > now()
     ORDER BY t.available_at
"""


@dataclass(frozen=True, slots=True)
class Held:
    """A version that is already there."""

    sha256: bytes
    size: int


def held(found: statements.Rows) -> dict[str, Held]:
    """What the transfer holds of some SOP Instance UIDs: the rows of HELD."""
    return {uid: Held(bytes(digest), size) for uid, digest, size in found}


def held_by_earlier(transfer_id: UUID, staged: list[Staged], *, sender_id: int) -> dict[str, UUID]:
    """Which of these an available transfer holds in this very version, and which transfer that is."""
    digests = {one.header.sop_instance_uid: one.sha256 for one in staged}
    rows = statements.run(_HELD_BY_EARLIER, [transfer_id, list(digests), sender_id])
    newest = {uid: (bytes(digest), where) for uid, digest, where in rows}
    return {uid: where for uid, (digest, where) in newest.items() if digests[uid] == digest}


def insert(push: Push, news: list[Staged], *, replaced: dict[str, Held], quiet: timedelta, end: int) -> None:
    """Write what is new or changed, move the transfer's counters, and close the push and its pack, which ends there."""
    size = sum(one.header.size for one in news)
    statements.send(
        _INSERT,
        {
            "news": json.dumps([_record(one, is_added=one.header.sop_instance_uid not in replaced) for one in news]),
            "transfer": push.birth.transfer_id,
            "pack": push.pack_id,
            "lease": push.lease_id,
            "end": end,
            "added": len(news) - len(replaced),
            "grown": size - sum(held.size for held in replaced.values()),
            "sealed": sum(one.stretch.sealed_length for one in news),
            "quiet": quiet.total_seconds(),
        },
    )


@dataclass(frozen=True, slots=True)
class Left:
    """Studies and series, by their rows, that replaced versions lay in and later versions do not."""

    studies: frozenset[int]
    series: frozenset[int]


def left_by(push: Push, news: list[Staged], *, replaced: dict[str, Held]) -> Left:
    """What later versions will leave; to be asked before they are inserted."""
    if not replaced:
        return Left(frozenset(), frozenset())
    headers = {one.header.sop_instance_uid: one.header for one in news}
    studies, series = set(), set()
    for uid, study_id, series_id, study, series_uid in statements.run(_LEFT, [push.birth.transfer_id, list(replaced)]):
        if study != headers[uid].study_instance_uid:
            studies.add(study_id)
        if (study, series_uid) != (headers[uid].study_instance_uid, headers[uid].series_instance_uid):
            series.add(series_id)
    return Left(frozenset(studies), frozenset(series))


def tidy(push: Push, left: Left) -> None:
    """Count again, and forget what was known of the places left; those without instances go."""
    if not left.series:
        return
    values = {"transfer": push.birth.transfer_id, "studies": list(left.studies), "series": list(left.series)}
    for statement in _TIDY:
        statements.send(statement, values)


def _record(one: Staged, *, is_added: bool) -> dict[str, str | int | None]:
    """One instance as a JSON object: a list a column costs the driver three times as much."""
    header, stretch, located = one.header, one.stretch, one.header.frames
    return {
        "study_instance_uid": header.study_instance_uid,
        "series_instance_uid": header.series_instance_uid,
        "is_added": is_added,
        "sop_class_uid": header.sop_class_uid,
        "sop_instance_uid": header.sop_instance_uid,
        "transfer_syntax_uid": header.transfer_syntax_uid,
        "ordinal": stretch.ordinal,
        "offset": stretch.offset,
        "sealed_length": stretch.sealed_length,
        "size": header.size,
        "sha256": f"\\x{one.sha256.hex()}",
        "crc32": one.crc32,
        "dataset_offset": header.dataset_offset,
        "pixel_offset": header.pixel_offset,
        "pixel_value_offset": header.pixel_value_offset,
        "pixel_length": header.pixel_length,
        "tail_crc32": one.tail_crc32,
        "frame_count": located.count if located else header.number_of_frames,
        "frames": f"\\x{frametable.pack(located).hex()}" if located else None,
    }
