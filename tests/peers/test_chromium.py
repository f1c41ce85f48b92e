"""The pages that come with no account, in a real browser under their own Content-Security-Policy."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.faults import tree
from tests.peers import exchanging
from tests.peers.exchanging import Push, Shipment

pytestmark = [pytest.mark.peers, pytest.mark.needs("chromium", "curl", "dcmdump")]


def test_landing_page_of_a_link_renders_without_an_error(
    running: tree.Tree, available: list[Shipment], tmp_path: Path
) -> None:
    transfer_id = exchanging.draft(running, "reader@example.org")
    push = Push(transfer_id, available[0].stored[0].path, "application/dicom")
    (answer,) = exchanging.curl(running, [push], tmp_path)
    assert answer.status == 200
    exchanging.send(running, [transfer_id])
    tree.wait_for(lambda: _link(running), what="the mail with the link")
    link = _link(running)
    assert "default-src" in str(exchanging.ask(running, link, key="").headers["Content-Security-Policy"])
    seen = _open(f"{running.base_url}{link}", tmp_path)
    assert "St Elsewhere" in seen.stdout and "<form" in seen.stdout
    assert _complaints(seen.stderr) == []


def test_sign_in_page_renders_without_an_error(running: tree.Tree, tmp_path: Path) -> None:
    seen = _open(f"{running.base_url}/", tmp_path)
    assert 'type="password"' in seen.stdout
    assert _complaints(seen.stderr) == []


def test_a_forbidden_script_would_be_noticed(tmp_path: Path) -> None:
    """So that silence of the two tests above means something."""
    policy = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'
    (tmp_path / "page.html").write_text(f"<!doctype html>{policy}<script>document.title = 1</script>")
    assert _complaints(_open((tmp_path / "page.html").as_uri(), tmp_path).stderr)


def _link(running: tree.Tree) -> str:
    """The path of the link in the newest mail that has one."""
    for mail in sorted(running.mail.glob("*.eml"), key=lambda path: path.stat().st_mtime, reverse=True):
        if found := re.search(rb"/s/[A-Za-z0-9_-]+/", mail.read_bytes().replace(b"=\n", b"")):
            return found[0].decode()
    return ""


def _open(url: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--no-proxy-server"]
    command += ["--disable-dev-shm-usage", f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr"]
    command += ["--virtual-time-budget=5000", "--dump-dom", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def _complaints(log: str) -> list[str]:
    """What the page wrote to its console."""
    return [line for line in log.splitlines() if ":CONSOLE" in line]
