"""`NAME_FILE`: the value lies in a file, and the end of the line is not part of it."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
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


def given(**values: str) -> Environment:
    env = Environment()
    env.ENVIRON = _Files(env=values)
    return env


@pytest.mark.parametrize("value", ["abc", "", "8000.5", "0", "65536", "-1"])
def test_what_is_no_port_is_refused_by_name(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="EXCHANGE_PORT must be"):
        given(EXCHANGE_PORT=value).port("EXCHANGE_PORT", default=8000)


@pytest.mark.parametrize("value", ["foo", "//host", "https://", "ftp://host", "https://u:p@host", "https://host/?a=b"])
def test_what_is_no_address_is_refused_by_name(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="PUBLIC_URL must be an address"):
        given(PUBLIC_URL=value).base_url("PUBLIC_URL", default="http://localhost")


def test_what_is_right_is_taken() -> None:
    env = given(EXCHANGE_PORT="8001", PUBLIC_URL="https://exchange.example.org/")
    assert env.port("EXCHANGE_PORT", default=8000) == 8001
    assert env.base_url("PUBLIC_URL", default="http://localhost") == "https://exchange.example.org"
    assert given().port("EXCHANGE_PORT", default=8000) == 8000
