"""The whole exchange, started once for the tests of a module."""

from collections.abc import Iterator

import pytest

from tests.faults import tree as trees
from tests.faults.tree import Tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    started = trees.start(tmp_path_factory.mktemp("faults") / "data")
    try:
        trees.seed(started)
        yield started
    finally:
        started.stop()
