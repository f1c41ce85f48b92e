"""What principals are called."""

import pytest

from accounts import names
from tests.actors import make_cast

pytestmark = pytest.mark.django_db


def test_people_and_keys_have_the_names_of_their_accounts() -> None:
    cast = make_cast()
    people, key = cast.bob.who.ident, cast.recipient_read.who.ident
    assert names.of([people, key, people]) == {
        people: "Bob, General Hospital",
        key: "key “recipient_read”, General Hospital",
    }


def test_who_is_gone_is_said_to_be() -> None:
    assert names.of(["user:999999", "key:ffff"]) == {"user:999999": names.GONE, "key:ffff": "a key that is gone"}


def test_all_others_are_left_out() -> None:
    assert names.of(["", "system:worker", "link:3", "user:", "user:x"]) == {"user:x": names.GONE}
