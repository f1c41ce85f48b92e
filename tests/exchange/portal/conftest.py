import pytest

from exchange.portal import limits
from tests.actors import Cast, make_cast


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    """All tests come from one address."""
    limits.LOOKUPS.clear()
