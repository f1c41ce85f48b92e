"""Everybody who may act upon a transfer."""

import pytest

from tests.actors import Cast, make_cast


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()
