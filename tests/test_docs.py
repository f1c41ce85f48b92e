"""Documents lead where they say, name what exists, leave no setting out, and keep to plain words."""

import re
import shlex
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from django.core.management import get_commands
from django.urls import resolve

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "docker").rglob("*.md")])
DECISIONS = ROOT / "docs" / "decisions"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
SETTINGS = (ROOT / "exchange" / "settings.py").read_text()
CODE_FOLDERS = ("exchange", "transfers", "accounts", "docker", "requirements")
CODE_SUFFIXES = {".py", ".yaml", ".service", ".sh", ".example"}
# Advertising, leftovers, and words for a transfer that mean something else elsewhere.
NEVER = re.compile(
    r"\b(seamless\w*|effortless\w*|leverag\w+|cutting[- ]edge|state[- ]of[- ]the[- ]art|world[- ]class"
    r"|best[- ]in[- ]class|(?:military|enterprise)[- ]grade|revolutionary|blazing\w*|unhackable|unbreakable"
    r"|100 ?% secure"
    r"|TODO|FIXME|TBD|XXX|lorem ipsum|albums?|vouchers?)\b",
    re.IGNORECASE,
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
AN_ID = "00000000-0000-4000-8000-000000000000"

every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@every_document
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text()
    targets = [*LINK.findall(text), *re.findall(r'(?:src|href)="([^"]+)"', text)]
    assert [target for target in targets if not leads_somewhere(document, target)] == []


@every_document
def test_commands_exist(document: Path) -> None:
    named = set(re.findall(r"manage\.py ([a-z][a-z_]*)", document.read_text()))
    assert named - {*get_commands(), "help"} == set()


@every_document
def test_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert (
        set(re.findall(r"(?:`|^    |[A-Z]=\S+ )make ([a-z]+)", document.read_text(), re.MULTILINE)) - targets == set()
    )


@every_document
def test_variables_exist(document: Path) -> None:
    unknown = {name for name in variables(document.read_text()) if not re.search(rf"\b{name}\b", code())}
    assert unknown - {"NAME_FILE"} == set()


@every_document
def test_words_are_plain(document: Path) -> None:
    assert NEVER.findall(document.read_text()) == []


def test_every_setting_is_documented() -> None:
    read = set(re.findall(r'\benv(?:\.[a-z_]+)?\(\s*"([A-Z_]+)"', SETTINGS))
    table = OPERATIONS.partition("## Settings")[2].partition("\n## ")[0]
    assert {name for name in read if not name.endswith("_FILE")} - set(re.findall(r"`([A-Z_]+)`", table)) == set()


def test_every_decision_is_in_the_index() -> None:
    index = (DECISIONS / "README.md").read_text()
    pages = [page for page in DECISIONS.glob("*.md") if page.name != "README.md"]
    rows = [f"| {int(page.name[:4])} | [" in index and f"]({page.name})" in index for page in pages]
    assert len(rows) > 10 and all(rows)


def test_every_decision_says_its_price() -> None:
    pages = DECISIONS.glob("[0-9]*.md")
    wanted = ("## Context\n", "## Choice\n", "## Price\n")
    assert [page.name for page in pages if not all(part in page.read_text() for part in wanted)] == []


@pytest.mark.parametrize("document", ["README.md", "docs/api.md"])
def test_examples_ask_for_what_is_there(document: str) -> None:
    paths = list(example_paths((ROOT / document).read_text()))
    assert paths
    for path in paths:
        resolve(path)  # raises Resolver404


def test_the_first_heading_of_the_changelog_is_the_version() -> None:
    heading = re.search(r"^## \[(\d+\.\d+\.\d+)\] - (unreleased|\d{4}-\d\d-\d\d)$", read("CHANGELOG.md"), re.MULTILINE)
    assert heading is not None
    suffix = ".dev0" if heading[2] == "unreleased" else ""
    assert f'\nversion = "{heading[1]}{suffix}"\n' in read("pyproject.toml")


def test_pictures_can_be_drawn() -> None:
    for picture in (ROOT / "docs" / "images").glob("*.svg"):
        assert ElementTree.parse(picture).getroot().get("viewBox")


def test_pictures_are_shown_and_small() -> None:
    pictures = [path for path in (ROOT / "docs" / "images").iterdir() if path.suffix in {".svg", ".png"}]
    shown = {target.rpartition("/")[2] for path in DOCUMENTS for target in LINK.findall(path.read_text())}
    assert len(pictures) > 1
    assert [path.name for path in pictures if path.name not in shown or path.stat().st_size > 150_000] == []


def leads_somewhere(document: Path, target: str) -> bool:
    if re.match(r"[a-z]+:", target):
        return target.startswith("https://")
    name, _, anchor = target.partition("#")
    path = document.parent / unquote(name) if name else document
    if not path.exists():
        return False
    return not anchor or anchor in anchors(path.read_text())


def anchors(text: str) -> set[str]:
    """The names that hosting sites give to headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def variables(text: str) -> Iterator[str]:
    """Names of environment variables: in backticks, or set in an example; of NAME_FILE the name."""
    spans = re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", text)
    for name in {*spans, *re.findall(r"^    ([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)=", text, re.MULTILINE)}:
        yield name if name == "NAME_FILE" else name.removesuffix("_FILE")


@lru_cache
def code() -> str:
    files = [path for folder in CODE_FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in CODE_SUFFIXES]
    return "\n".join(path.read_text() for path in [*files, ROOT / "Makefile"])


def example_paths(text: str) -> Iterator[str]:
    """What the curl examples ask for, with placeholders filled in."""
    for block in re.findall(r"(?:^    .+\n)+", text, re.MULTILINE):
        for command in re.sub(r"\\\n\s*", " ", block).splitlines():
            if command.strip().startswith("curl "):
                for word in shlex.split(command, comments=True):
                    if word.startswith("$URL/"):
                        path = word.removeprefix("$URL").partition("?")[0]
                        yield path.replace("$ID", AN_ID).replace("$STUDY", "1.2.3")


def read(name: str) -> str:
    return (ROOT / name).read_text()
