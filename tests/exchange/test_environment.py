"""`NAME_FILE`: the value lies in a file, and the end of the line is not part of it."""

from pathlib import Path

import pytest
from environ.fileaware_mapping import FileAwareMapping

from exchange.environment import Environment, _Files


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("s3cret\n", "s3cret"),
        ("s3cret\r\n", "s3cret"),
        ("s3cret", "s3cret"),
        (" s3cret \n", " s3cret "),
        ("a\nb\n\n", "a\nb\n"),
    ],
)
def test_one_end_of_line_is_taken_off(tmp_path: Path, content: str, value: str) -> None:
    (tmp_path / "secret").write_bytes(content.encode())
    env = Environment()
    env.ENVIRON = _Files(env={"TOKEN_FILE": str(tmp_path / "secret")})
    assert env.str("TOKEN") == value
    assert env.str("TOKEN") == value  # kept


def test_a_value_in_the_environment_stays_as_it_is() -> None:
    assert _Files(env={"TOKEN": "x\n"})["TOKEN"] == "x\n"


def test_settings_are_read_so() -> None:
    from exchange import settings

    assert isinstance(settings.env.ENVIRON, FileAwareMapping) and isinstance(settings.env, Environment)
