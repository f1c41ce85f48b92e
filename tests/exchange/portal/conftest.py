import pytest

from exchange.portal import links
from tests.actors import Cast, make_cast


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    """All tests come from one address."""
    links.LOOKUPS.clear()
