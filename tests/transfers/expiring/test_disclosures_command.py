"""The register, asked from a terminal."""

import io

import pytest
from django.core.management import CommandError, call_command

from tests.transfers.expiring.conftest import Make

pytestmark = pytest.mark.django_db


def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *answers: str) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{answer}\n" for answer in answers)))
    call_command("disclosures", "st-elsewhere")
    return capsys.readouterr().out


def test_it_names_who_got_what(sent: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    transfer = sent(patient_id="P-7")
    said = ask(monkeypatch, capsys, "P-7", "", "")
    assert f"{transfer.reference}  General Hospital  none, 0 of 1 pulled" in said


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
