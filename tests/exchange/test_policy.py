"""What pages may load."""

import re
from pathlib import Path

import pytest
from django.test import Client

from tests.actors import make_cast

TEMPLATES = Path(__file__).resolve().parents[2] / "exchange" / "templates"
STRICT = {
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
}
pytestmark = pytest.mark.django_db


def policy(path: str, client: Client | None = None) -> set[str]:
    return set((client or Client()).get(path)["Content-Security-Policy"].split("; "))


@pytest.mark.parametrize("path", ["/accounts/login/", "/s/unknown/", "/g/1/", "/nowhere", "/api/transfers/"])
def test_pages_run_no_script_at_all(path: str) -> None:
    assert policy(path) == STRICT


def test_a_persons_pages_are_as_strict() -> None:
    assert policy("/", make_cast().bob.client) == STRICT


def test_the_pages_of_the_interface_and_the_admin_run_our_own_files_only() -> None:
    found = policy("/api/docs/")
    assert "script-src 'self'" in found
    assert not [directive for directive in found if "unsafe" in directive or "http" in directive]


@pytest.mark.parametrize("template", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.name)
def test_no_template_has_anything_inline(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|javascript:", text)


def test_no_page_names_another_host() -> None:
    texts = [path.read_text() for path in TEMPLATES.rglob("*.html")]
    assert not [text for text in texts if re.search(r"(src|href)=\"(https?:)?//", text)]
