"""Every error has a row, and the documentation shows the same table."""

import json
from pathlib import Path

import pytest
from django.conf import settings

from exchange import problems
from transfers import errors


def subclasses(kind: type[errors.ExchangeError]) -> set[type[errors.ExchangeError]]:
    return {kind}.union(*(subclasses(below) for below in kind.__subclasses__()))


def test_documentation_shows_the_table() -> None:
    assert (Path(settings.BASE_DIR) / "docs" / "errors.md").read_text() == problems.as_markdown()


def test_every_error_of_the_tree_has_a_row_of_its_own() -> None:
    tree = {kind for kind in subclasses(errors.ExchangeError) if kind.__module__ == errors.__name__}
    assert tree - {row.error for row in problems.TABLE} == set()


def test_no_row_hides_a_later_one() -> None:
    rows = [row.error for row in problems.TABLE]
    hidden = [later for at, later in enumerate(rows) for earlier in rows[:at] if issubclass(later, earlier)]
    assert hidden == []


def test_an_unforeseen_error_says_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    response = problems.problem(ValueError("Doe^Jane"))
    assert response.status_code == 500
    assert "Doe" not in response.content.decode() + caplog.text
    assert "ValueError" in caplog.text


def test_sentence_of_the_error_is_its_detail() -> None:
    body = json.loads(problems.problem(errors.Conflict("Not now.")).content)
    assert body == {"type": "about:blank", "title": "Conflict", "status": 409, "detail": "Not now."}
