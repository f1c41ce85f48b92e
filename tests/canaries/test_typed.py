"""No field takes text of which nobody has decided what becomes of it."""

from exchange.portal import urls  # noqa: F401 - forms are known once their modules are
from tests.canaries import typed


def test_every_field_that_takes_text_is_decided_on() -> None:
    assert typed.found() == {*typed.PLANTED, *typed.PLAIN, *typed.PASSWORDS}
