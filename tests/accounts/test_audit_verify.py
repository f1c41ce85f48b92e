"""The command that tells whether anybody changed the audit trail."""

from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from accounts import audit
from accounts.models import AuditEvent
from accounts.principals import system

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sealed_event(tmp_path: Path, settings: Settings) -> None:
    settings.EXCHANGE_KEYS = (tmp_path / "keys").as_uri()
    audit.record(system("test"), "test.done", organization_id=None)
    audit.seal()


def test_a_whole_trail(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("audit_verify")
    assert capsys.readouterr().out == "The audit trail is whole.\n"


def test_a_changed_event_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    AuditEvent.objects.update(principal="user:1")
    with pytest.raises(SystemExit) as stopped:
        call_command("audit_verify")
    assert stopped.value.code == 1
    assert "Segment 1 of the exchange: an event was changed" in capsys.readouterr().out
