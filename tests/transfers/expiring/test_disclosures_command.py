"""The register, asked from a terminal."""

import io
import re

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.transfers.expiring.conftest import Make
from transfers import lookups
from transfers.models import Delivery

pytestmark = pytest.mark.django_db


def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *answers: str) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{answer}\n" for answer in answers)))
    call_command("disclosures", "st-elsewhere")
    return capsys.readouterr().out


def test_it_names_who_got_what(sent: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    transfer = sent(patient_id="P-7")
    said = ask(monkeypatch, capsys, "P-7", "", "")
    head, row = said.splitlines()
    assert head.split("  ")[0] == "Sent" and "Images pulled" in head
    assert re.search(rf"{transfer.reference} +General Hospital +not opened +0 of 1 +never +not yet$", row)


def test_a_reader_by_link_is_found_by_the_address_alone(
    sent: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    transfer = sent(patient_id="P-7")
    hashed, record = lookups.email_hash("Jane.Doe@example.org"), b"sealed"
    Delivery.objects.create(
        transfer=transfer, email_hash=hashed, email_record=record, was_open=True, created_at=timezone.now()
    )
    (row,) = ask(monkeypatch, capsys, "P-7", "", "", "jane.doe@example.org").splitlines()[1:]
    assert f"a reader by link ({hashed.hex()[:12]})" in row
    assert ask(monkeypatch, capsys, "P-7", "", "", "somebody@else.example") == "Nobody.\n"
    assert len(ask(monkeypatch, capsys, "P-7", "", "", "").splitlines()) == 3


def test_it_says_so_when_nobody_did(
    sent: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent(patient_id="P-7")
    assert ask(monkeypatch, capsys, "P-8", "", "") == "Nobody.\n"


def test_nothing_is_not_a_question(
    sent: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent()
    with pytest.raises(CommandError, match="Name a patient ID"):
        ask(monkeypatch, capsys, "", "", "")
