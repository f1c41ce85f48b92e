"""EMAIL_URL: what it may be, and what it is then."""

from email import message_from_bytes
from pathlib import Path

import pytest
from django.core.mail import EmailMessage, get_connection
from pytest_django import Settings

from exchange import mail


def test_a_folder_takes_mail_as_files() -> None:
    found = mail.transport("file:///var/lib/exchange%20mail")
    assert (found.backend, found.folder) == ("exchange.letterbox.Folder", "/var/lib/exchange mail")


def test_each_mail_is_a_file_that_only_we_may_read(settings: Settings, tmp_path: Path) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_FILE_PATH = "exchange.letterbox.Folder", str(tmp_path / "mail")
    with get_connection() as connection:
        letters = [EmailMessage(f"Images ({name})", "text", to=[f"{name}@site.example"]) for name in ("a", "b")]
        assert connection.send_messages(letters) == 2
    files = sorted((tmp_path / "mail").iterdir())
    assert {file.suffix for file in files} == {".eml"}
    assert [message_from_bytes(file.read_bytes())["Subject"] for file in files] == ["Images (a)", "Images (b)"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert (tmp_path / "mail").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("url", "port", "starts_tls", "is_tls"),
    [
        ("smtp://relay.example", 25, False, False),
        ("smtp+tls://relay.example", 587, True, False),
        ("smtps://relay.example", 465, False, True),
        ("smtps://relay.example:2465", 2465, False, True),
    ],
)
def test_a_server_is_reached_as_its_scheme_says(url: str, port: int, starts_tls: bool, is_tls: bool) -> None:
    found = mail.transport(url)
    assert (found.host, found.port, found.starts_tls, found.is_tls) == ("relay.example", port, starts_tls, is_tls)


def test_a_password_may_hold_anything_and_is_not_shown() -> None:
    found = mail.transport("smtps://desk%40site:p%2Fw%40rd@relay.example")
    assert (found.user, found.password) == ("desk@site", "p/w@rd")
    assert "p/w@rd" not in repr(found)


@pytest.mark.parametrize("url", ["", "smtp://", "http://relay.example", "file://host/dir", "relay.example"])
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="EMAIL_URL"):
        mail.transport(url)
