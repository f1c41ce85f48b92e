"""`manage.py demo`: green from end to end on a tree of its own, and plain about a step that fails."""

import io
import os
import socket
import subprocess
import sys
from email.message import Message
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from exchange import demonstration
from exchange.demonstration import FIRST_STUDY, SECOND_STUDY, Failed, Response

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answer(body: bytes, boundary: str = "b") -> Response:
    headers = Message()
    headers["content-type"] = f'multipart/related; type="application/dicom"; boundary={boundary}'
    return Response(200, headers, body)


@pytest.mark.slow
def test_every_step_holds_and_the_end_is_a_clean_one(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("EXCHANGE_", "DJANGO_"))}
    environment |= {
        "EXCHANGE_DATA_DIR": str(tmp_path / "data"),
        "EXCHANGE_PORT": str(free_port()),
        "EXCHANGE_MIN_LIFETIME": "2",
        "EXCHANGE_SWEEP_SECONDS": "1",
    }
    shown = subprocess.run(
        [sys.executable, "manage.py", "up", "--then", "demo", "--exit"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    for sentence in ("all 7 stored", "byte for byte", "7 of 7 pulled", "410 Gone", "what stays is a tombstone"):
        assert sentence in shown.stdout
    assert "Every step held." in shown.stdout
    log = "".join(path.read_text(errors="replace") for path in (tmp_path / "data" / "log").glob("*.log"))
    assert "Traceback" not in log


@pytest.mark.django_db
def test_a_step_that_fails_says_so(settings: Settings) -> None:
    settings.PUBLIC_URL = f"http://127.0.0.1:{free_port()}"
    output = io.StringIO()
    with pytest.raises(SystemExit) as left:
        call_command("demo", stdout=output)
    assert left.value.code == 1
    assert f"FAILED: {settings.PUBLIC_URL} does not answer" in output.getvalue()
    assert "Every step held" not in output.getvalue()


@pytest.mark.parametrize(("name", "count"), [(FIRST_STUDY, 7), (SECOND_STUDY, 4)])
def test_the_studies_come_with_pydicom(name: str, count: int) -> None:
    study = demonstration.load_study(name)
    assert len(study.files) == len(set(study.digests)) == count
    assert study.study_instance_uid.startswith("1.")


def test_a_study_that_is_not_there_is_named() -> None:
    with pytest.raises(Failed, match="ships no files"):
        demonstration.load_study("nothing")


def test_a_multipart_body_is_read_back() -> None:
    study = demonstration.load_study(SECOND_STUDY)
    _, body = study.as_multipart()
    assert demonstration.parts_of(answer(body, "next-instance")) == list(study.files)


@pytest.mark.parametrize("body", [b"", b"--b\r\n\r\nhalf a part", b"--b\r\n\r\npart\r\n--b\r\n"])
def test_a_cut_multipart_body_fails(body: bytes) -> None:
    with pytest.raises(Failed):
        demonstration.parts_of(answer(body))


def test_the_mail_that_names_a_transfer_is_found(settings: Settings, tmp_path: Path) -> None:
    settings.EMAIL_FILE_PATH = str(tmp_path)
    for name in ("AAAA-1111", "BBBB-2222"):
        (tmp_path / f"{name}.eml").write_text(f"Subject: Images ({name})\nTo: desk@site.example\n\ntext\n")
    found = demonstration.find_mail("BBBB-2222")
    assert found is not None
    assert found["Subject"] == "Images (BBBB-2222)"
    assert demonstration.find_mail("CCCC-3333") is None


def test_waiting_ends_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demonstration, "PAUSE", 0)
    with pytest.raises(Failed, match="The notice did not come within 0 s"):
        demonstration.wait_for("The notice", iter(lambda: False, None), seconds=0)
