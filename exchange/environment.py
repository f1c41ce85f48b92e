"""The environment, with `NAME_FILE` for `NAME`: the end of line that editors put at the end of a file is no secret."""

import environ
from environ.fileaware_mapping import FileAwareMapping


class _Files(FileAwareMapping):  # type: ignore[misc]  # untyped library
    def __getitem__(self, key: str) -> str:
        value: str = super().__getitem__(key)
        return value.removesuffix("\n").removesuffix("\r") if self.env.get(f"{key}_FILE") else value


class Environment(environ.FileAwareEnv):  # type: ignore[misc]  # untyped library
    ENVIRON = _Files()
