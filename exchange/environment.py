"""The environment, with `NAME_FILE` for `NAME`: the end of line that editors put at the end of a file is no secret.

A value that cannot be meant raises ImproperlyConfigured with its name, at the start and not at the first use.
"""

import builtins
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping


class _Files(FileAwareMapping):  # type: ignore[misc]  # untyped library
    def __getitem__(self, key: str) -> str:
        value: str = super().__getitem__(key)
        return value.removesuffix("\n").removesuffix("\r") if self.env.get(f"{key}_FILE") else value


class Environment(environ.FileAwareEnv):  # type: ignore[misc]  # untyped library
    ENVIRON = _Files()

    def int(
        self, var: str, default: Any = environ.Env.NOTSET
    ) -> builtins.int:  # Any: the library's mark for no default
        try:
            number: builtins.int = super().int(var, default=default)
        except ValueError:
            raise ImproperlyConfigured(f"{var} must be a whole number.") from None
        return number

    def port(self, var: str, default: builtins.int) -> builtins.int:
        if not 0 < (number := self.int(var, default)) < 65536:
            raise ImproperlyConfigured(f"{var} must be a port, from 1 to 65535.")
        return number

    def base_url(self, var: str, default: str) -> str:
        """An address that others are appended to, without a slash at its end."""
        value: str = self.str(var, default=default)
        parts = urlsplit(value)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.username
            or parts.query
            or parts.fragment
        ):
            raise ImproperlyConfigured(f"{var} must be an address such as https://exchange.example.org.")
        return value.rstrip("/")
