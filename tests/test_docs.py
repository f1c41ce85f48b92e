"""Documents point at what exists, and every setting is written down."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "docker").rglob("*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text())
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not (document.parent / target).exists()] == []


def test_every_setting_is_documented() -> None:
    settings = (ROOT / "exchange" / "settings.py").read_text()
    names = set(re.findall(r'env\.[a-z_]+\(\s*"([A-Z_]+)"', settings))
    written = set(re.findall(r"`([A-Z][A-Z_]+)`", (ROOT / "docs" / "operations.md").read_text()))
    assert {name for name in names if not name.endswith("_FILE")} - written == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_exist(document: Path) -> None:
    known = set(get_commands())
    named = set(re.findall(r"manage\.py ([a-z_]+)", document.read_text()))
    assert named - known == set()


def test_the_changelog_names_the_version() -> None:
    version = re.search(r'^version = "(\d+\.\d+\.\d+)', (ROOT / "pyproject.toml").read_text(), re.M)
    assert version is not None
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "## Unreleased" in text or f"## {version[1]}" in text
