"""ZIPs of a transfer: complete, resumable, without a name of anybody."""

import io
import zipfile

import pytest

from accounts.models import Organization
from accounts.principals import Principal
from tests import factories, sealing
from transfers import access, bundling, errors, retrieving
from transfers.models import PullRecord, Transfer
from transfers.retrieving import Target
from transfers.rules.lifecycle import Progress, State

STUDY = factories.make_uid()
FILES = [factories.make_ct(StudyInstanceUID=STUDY, pixels=bytes([number]) * 700) for number in range(3)]
REPORT = b"%PDF-1.7 no finding"


@pytest.fixture
def recipient(db: None) -> Organization:
    return factories.make_organization()


@pytest.fixture
def who(recipient: Organization) -> Principal:
    return sealing.caller(recipient)[0]


@pytest.fixture
def transfer(recipient: Organization) -> Transfer:
    transfer = sealing.send(FILES, sender=factories.make_organization(), to=[recipient])
    factories.store_document(transfer, REPORT, media_type="application/pdf", study_instance_uid=STUDY)
    return transfer


def whole(who: Principal, transfer: Transfer) -> bytes:
    return b"".join(retrieving.stream(bundling.open_archive(access.sight(who, transfer.pk)), who=who))


def test_holds_everything_reports_first(who: Principal, transfer: Transfer) -> None:
    with zipfile.ZipFile(io.BytesIO(whole(who, transfer))) as archive:
        assert archive.testzip() is None
        assert archive.read("REPORTS/RE000001.pdf") == REPORT
        assert archive.namelist()[0] == "REPORTS/RE000001.pdf"
        assert {archive.read(name) for name in archive.namelist()[1:]} == set(FILES)


def test_names_tell_nothing_of_the_patient(who: Principal, transfer: Transfer) -> None:
    with zipfile.ZipFile(io.BytesIO(whole(who, transfer))) as archive:
        assert archive.namelist()[1:] == [f"ST000001/SE00000{n}/IM00000{n}.dcm" for n in (1, 2, 3)]


def test_documents_count_for_a_transfer_to_be_pulled(who: Principal, transfer: Transfer) -> None:
    items = retrieving.select(access.sights(who), Target(STUDY))
    pieces = [retrieving.Stretch(item, 0, item.size) for item in items]
    images = retrieving.of_pieces(pieces, media_type="x/y", etag="t", items=items, kind="pulled")
    b"".join(retrieving.stream(images, who=who))
    assert transfer.deliveries.get().progress == Progress.PARTLY_PULLED
    whole(who, transfer)
    assert transfer.deliveries.get().progress == Progress.PULLED


@pytest.mark.parametrize("cut", [1, 40, 900, 2000, 3500])
def test_goes_on_where_it_broke_off(who: Principal, transfer: Transfer, cut: int) -> None:
    archive = bundling.open_archive(access.sight(who, transfer.pk))
    again = bundling.open_archive(access.sight(who, transfer.pk))
    begun = b"".join(retrieving.stream(archive, who=who, stop=cut))
    rest = b"".join(retrieving.stream(again, who=who, start=cut))
    assert (archive.etag, begun + rest) == (again.etag, whole(who, transfer))


def test_half_of_it_records_the_files_that_left_whole(who: Principal, transfer: Transfer) -> None:
    archive = bundling.open_archive(access.sight(who, transfer.pk))
    b"".join(retrieving.stream(archive, who=who, stop=archive.size // 2))
    assert 0 < PullRecord.objects.count() < 4
    assert transfer.deliveries.get().progress == Progress.PARTLY_PULLED


def test_study_takes_its_own_reports_along(who: Principal, transfer: Transfer) -> None:
    factories.store_document(transfer, b"of another study", study_instance_uid=factories.make_uid())
    answer = bundling.bundle(retrieving.select(access.sights(who), Target(STUDY)))
    with zipfile.ZipFile(io.BytesIO(b"".join(retrieving.stream(answer, who=who)))) as archive:
        assert [name for name in archive.namelist() if name.startswith("REPORTS")] == ["REPORTS/RE000001.pdf"]


def test_transfer_without_anything_is_not_found(who: Principal, recipient: Organization) -> None:
    empty = factories.make_transfer(to=[recipient], state=State.AVAILABLE)
    with pytest.raises(errors.NotFound):
        bundling.open_archive(access.sight(who, empty.pk))
