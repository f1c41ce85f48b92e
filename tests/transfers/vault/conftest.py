"""A vault in a folder of its own for each test, and a pack to write."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.transfers.vault.packs import KEY, PREFIX
from transfers import vault


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Settings) -> Path:
    settings.STORAGE_URL = (tmp_path / "packs").as_uri()
    return tmp_path / "packs"


@pytest.fixture
def writer() -> Iterator[vault.PackWriter]:
    with vault.open_pack(vault.new_name(), key=KEY, aad_prefix=PREFIX) as pack:
        yield pack
