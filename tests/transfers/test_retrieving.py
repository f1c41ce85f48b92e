"""What is handed over, what is recorded of it, and which of several versions is shown."""

import hashlib
import random
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from pydicom.data import get_testdata_file

from accounts.models import AuditEvent, Organization
from accounts.principals import Principal
from tests import factories, sealing
from transfers import access, errors, retrieving, vault
from transfers.models import Delivery, Instance, Pack, PullRecord, Transfer
from transfers.retrieving import Answer, Stretch, Target, items
from transfers.rules.lifecycle import Access, Progress, Reason, State

STUDY = factories.make_uid()
SERIES = factories.make_uid()
FILES = [
    factories.make_ct(StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES, pixels=bytes([number]) * size)
    for number, size in enumerate((512, 400_000, 3000))
]


@pytest.fixture
def sender(db: None) -> Organization:
    return factories.make_organization()


@pytest.fixture
def recipient(db: None) -> Organization:
    return factories.make_organization()


@pytest.fixture
def who(recipient: Organization) -> Principal:
    return sealing.caller(recipient)[0]


@pytest.fixture
def transfer(sender: Organization, recipient: Organization) -> Transfer:
    return sealing.send(FILES, sender=sender, to=[recipient])


def answer_to(who: Principal, *, study: str = STUDY) -> Answer:
    items = retrieving.select(access.sights(who, study_instance_uid=study), Target(study))
    pieces: list[retrieving.Piece] = [b"head", *(Stretch(item, 0, item.size) for item in items), b"tail"]
    return retrieving.of_pieces(pieces, media_type="x/y", etag="tag", items=items, kind="pulled")


def contents(who: Principal, *, study: str = STUDY) -> set[bytes]:
    items = retrieving.select(access.sights(who, study_instance_uid=study), Target(study))
    return {b"".join(retrieving.read(item, start=0, stop=item.size)) for item in items}


def pulled() -> int:
    return PullRecord.objects.filter(kind="pulled").count()


def withdraw(transfer: Transfer) -> None:
    Transfer.objects.filter(pk=transfer.pk).update(state=State.CLOSED, reason=Reason.WITHDRAWN)


def test_answer_is_as_long_as_announced(who: Principal, transfer: Transfer) -> None:
    answer = answer_to(who)
    assert b"".join(retrieving.stream(answer, who=who)) == b"head" + b"".join(FILES) + b"tail"
    assert answer.size == 8 + sum(map(len, FILES))


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (2, 5), (3, 3000), (1000, 405_000), (405_000, None)])
def test_any_range_is_a_slice(who: Principal, transfer: Transfer, start: int, stop: int | None) -> None:
    whole = b"head" + b"".join(FILES) + b"tail"
    assert b"".join(retrieving.stream(answer_to(who), who=who, start=start, stop=stop)) == whole[start:stop]


def test_whole_study_is_pulled(who: Principal, transfer: Transfer) -> None:
    b"".join(retrieving.stream(answer_to(who), who=who))
    delivery = transfer.deliveries.get()
    assert (pulled(), delivery.progress) == (3, Progress.PULLED)
    assert delivery.pulled_at is not None
    assert delivery.opened_at is not None


def test_second_pull_counts_and_changes_no_state(who: Principal, transfer: Transfer) -> None:
    for _ in range(2):
        b"".join(retrieving.stream(answer_to(who), who=who))
    assert set(PullRecord.objects.values_list("count", flat=True)) == {2}


def test_proven_stays_proven(who: Principal, transfer: Transfer) -> None:
    Delivery.objects.update(progress=Progress.PROVEN)
    b"".join(retrieving.stream(answer_to(who), who=who))
    assert transfer.deliveries.get().progress == Progress.PROVEN


def test_cut_answer_records_what_left_whole(who: Principal, transfer: Transfer) -> None:
    chunks = retrieving.stream(answer_to(who), who=who)
    next(chunks)  # holds the first instance whole, and the beginning of the second
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert (pulled(), transfer.deliveries.get().progress) == (1, Progress.PARTLY_PULLED)


def test_chunk_that_was_not_taken_records_nothing(who: Principal, transfer: Transfer) -> None:
    chunks = retrieving.stream(answer_to(who), who=who)
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert pulled() == 0


def test_part_of_an_instance_is_not_pulled_but_audited(who: Principal, transfer: Transfer) -> None:
    b"".join(retrieving.stream(answer_to(who), who=who, start=10, stop=100))
    assert pulled() == 0
    assert AuditEvent.objects.get(action="study.pull").detail["bytes"] == 90


def test_one_event_says_how_much_went_to_whom(who: Principal, transfer: Transfer) -> None:
    answer = answer_to(who)
    b"".join(retrieving.stream(answer, who=who))
    event = AuditEvent.objects.get(action="study.pull")
    assert (event.principal, event.subject) == (who.ident, f"transfer:{transfer.pk}")
    assert event.detail == {
        "delivery": transfer.deliveries.get().pk,
        "road": "dicomweb",
        "items": 3,
        "bytes": answer.size,
        "complete": True,
    }


def test_sender_reading_back_is_audited_and_pulls_nothing(sender: Organization, transfer: Transfer) -> None:
    who = sealing.caller(sender, "read")[0]
    items = retrieving.select([access.sight(who, transfer.pk)], Target(STUDY))
    pieces = [Stretch(item, 0, item.size) for item in items]
    answer = retrieving.of_pieces(pieces, media_type="x/y", etag="t", items=items, kind="pulled")
    b"".join(retrieving.stream(answer, who=who))
    assert (pulled(), AuditEvent.objects.filter(action="study.pull").count()) == (0, 1)


def test_withdrawal_cuts_a_running_answer(who: Principal, transfer: Transfer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfers.retrieving.answers.RECHECK_BYTES", 1)
    chunks = retrieving.stream(answer_to(who), who=who)
    next(chunks)
    withdraw(transfer)
    with pytest.raises(errors.Gone):
        list(chunks)


def test_lapse_lets_a_running_answer_finish(
    who: Principal, transfer: Transfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfers.retrieving.answers.RECHECK_BYTES", 1)
    chunks = retrieving.stream(answer_to(who), who=who)
    first = next(chunks)
    sealing.lapse(transfer)
    assert len(first + b"".join(chunks)) == 8 + sum(map(len, FILES))


def test_purge_during_an_answer_leaves_only_the_audit(who: Principal, transfer: Transfer) -> None:
    chunks = retrieving.stream(answer_to(who), who=who)
    rest = next(chunks)
    Transfer.objects.filter(pk=transfer.pk).update(state=State.CLOSED, wrapped_key=None)
    assert rest + b"".join(chunks)
    assert (pulled(), AuditEvent.objects.filter(action="study.pull").count()) == (0, 1)


def test_changed_octet_in_the_store_is_never_answered(who: Principal, transfer: Transfer) -> None:
    item = Instance.objects.order_by("size").last()
    assert item is not None
    path = Path(vault.store()._root) / Pack.objects.get(pk=item.pack_id).name  # type: ignore[attr-defined]
    sealed = bytearray(path.read_bytes())
    sealed[item.offset + item.sealed_length - 1] ^= 1
    path.write_bytes(sealed)
    with pytest.raises(errors.Integrity):
        list(retrieving.stream(answer_to(who), who=who))


def test_rejected_instance_is_hidden(who: Principal, transfer: Transfer) -> None:
    Instance.objects.filter(size__gt=300_000).update(rejected_by="113001")
    assert contents(who) == {FILES[0], FILES[2]}


def test_version_that_was_not_validated_is_hidden(who: Principal, transfer: Transfer) -> None:
    Instance.objects.filter(size__gt=300_000).update(validated_sha256=bytes(32))
    assert contents(who) == {FILES[0], FILES[2]}


def test_what_waits_for_acceptance_is_not_there(who: Principal, transfer: Transfer) -> None:
    Delivery.objects.update(access=Access.WAITING)
    with pytest.raises(errors.NotFound):
        contents(who)


def resend(sender: Organization, recipient: Organization, *, pixels: bytes, later: int) -> bytes:
    """The first instance again with other pixels, available so many hours later."""
    uid = Instance.objects.order_by("id").values_list("sop_instance_uid", flat=True)[0]
    file = factories.make_ct(StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES, SOPInstanceUID=uid, pixels=pixels)
    again = sealing.send([file], sender=sender, to=[recipient])
    Transfer.objects.filter(pk=again.pk).update(available_at=timezone.now() + timedelta(hours=later))
    return file


def test_newest_of_one_sender_is_shown(
    who: Principal, transfer: Transfer, sender: Organization, recipient: Organization
) -> None:
    newer = resend(sender, recipient, pixels=b"n" * 512, later=1)
    resend(sender, recipient, pixels=b"o" * 512, later=-1)
    assert contents(who) == {newer, FILES[1], FILES[2]}


def test_first_of_two_senders_stays(who: Principal, transfer: Transfer, recipient: Organization) -> None:
    resend(factories.make_organization(), recipient, pixels=b"x" * 512, later=1)
    assert contents(who) == set(FILES)


def test_several_targets_narrow(who: Principal, transfer: Transfer) -> None:
    seen = access.sights(who)
    uid = Instance.objects.order_by("id").values_list("sop_instance_uid", flat=True)[0]
    assert len(retrieving.select(seen, Target(STUDY, SERIES, uid))) == 1
    with pytest.raises(errors.NotFound):
        retrieving.select(seen, Target(STUDY, factories.make_uid(), uid))


def test_one_instance_is_found_without_reading_its_study(transfer: Transfer) -> None:
    uid = Instance.objects.order_by("id").values_list("sop_instance_uid", flat=True)[0]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {items._SELECT_ONE}", [[transfer.pk], uid])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "instance_unique" in plan or "instance_uid" in plan


@pytest.mark.parametrize("count", [3, 3000])
def test_frames_are_found_by_a_short_table_and_by_a_long_one(
    sender: Organization, recipient: Organization, count: int
) -> None:
    """A short table comes with the instance, a long one when it is asked for."""
    draw = random.Random(count)
    frames = [b"\xff\xd8" + draw.randbytes(2 * draw.randrange(1, 200)) for _ in range(count)]
    study = factories.make_uid()
    file = factories.make_encapsulated(frames, StudyInstanceUID=study)
    sealing.send([file], sender=sender, to=[recipient])
    uid = Instance.objects.values_list("sop_instance_uid", flat=True).get()
    who = sealing.caller(recipient)[0]
    (item,) = retrieving.select(access.sights(who, study_instance_uid=study), Target(study, sop_instance_uid=uid))
    assert (item.frame_table is None) == (count == 3000)
    for number in (1, count):
        ((stretch,),) = retrieving.locate_frames(item, [number])
        assert b"".join(retrieving.read_stretch(stretch)) == frames[number - 1]


@pytest.mark.parametrize("name", ["CT_small.dcm", "JPEG2000.dcm", "SC_rgb_rle_2frame.dcm", "MR_small_bigendian.dcm"])
def test_real_files_come_back_with_their_digest(
    who: Principal, sender: Organization, recipient: Organization, name: str
) -> None:
    path = get_testdata_file(name)
    assert isinstance(path, str)
    file = Path(path).read_bytes()
    sealing.send([file], sender=sender, to=[recipient])
    study = Instance.objects.get().study.study_instance_uid
    assert [hashlib.sha256(one).hexdigest() for one in contents(who, study=study)] == [hashlib.sha256(file).hexdigest()]
