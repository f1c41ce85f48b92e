"""A tree whose keys, mails and temporary files lie outside its data folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import tree as trees
from tests.faults.tree import Tree


@dataclass(frozen=True)
class Place:
    """A running tree and the folders beside it."""

    tree: Tree
    keys: Path
    mail: Path
    temporary: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("canaries")
    keys, mail, temporary = (folder / name for name in ("keys", "mail", "temporary"))
    temporary.mkdir()
    started = trees.start(folder / "data", settings=surroundings(keys, mail, temporary))
    try:
        trees.seed(started)
        yield Place(started, keys, mail, temporary)
    finally:
        started.stop()


def surroundings(keys: Path, mail: Path, temporary: Path) -> dict[str, str]:
    return {"EXCHANGE_KEYS": keys.as_uri(), "EMAIL_URL": mail.as_uri(), "TMPDIR": str(temporary)}
