"""Checkpoints of the audit trail, beside the keys."""

from pathlib import Path

import pytest

from accounts import audit
from accounts.models import AuditSegment
from accounts.principals import system
from transfers.keys import AuditCheckpoints


@pytest.fixture(autouse=True)
def key_folder(settings: object, tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    settings.EXCHANGE_KEYS = folder.as_uri()  # type: ignore[attr-defined]  # pytest-django's wrapper
    return folder


def test_the_newest_of_each_organisation_is_found_again() -> None:
    AuditCheckpoints().keep(7, 1, "aa")
    AuditCheckpoints().keep(None, 1, "bb")
    AuditCheckpoints().keep(7, 2, "cc")
    assert AuditCheckpoints().newest() == {7: (2, "cc"), None: (1, "bb")}


def test_a_torn_line_is_not_a_checkpoint(key_folder: Path) -> None:
    AuditCheckpoints().keep(7, 1, "aa")
    with (key_folder / "checkpoints.jsonl").open("a") as file:
        file.write('[7,2,"c')
    assert AuditCheckpoints().newest() == {7: (1, "aa")}
    AuditCheckpoints().keep(7, 2, "dd")
    assert AuditCheckpoints().newest() == {7: (2, "dd")}


def test_lines_beyond_what_is_read_at_once_stay(key_folder: Path) -> None:
    for number in range(1, 40):
        AuditCheckpoints().keep(number, 1, "f" * 4000)
    assert len(AuditCheckpoints().newest()) == 39


@pytest.mark.django_db
def test_a_trail_cut_at_its_end_is_found_out() -> None:
    audit.record(system("test"), "test.one", organization_id=None)
    audit.seal()
    assert list(audit.verify()) == []
    AuditSegment.objects.get().events.update(segment=None, position=None)
    AuditSegment.objects.all().delete()
    assert [fault.sentence for fault in audit.verify()] == ["the end of the trail was cut off"]
