"""Each side lists its own transfers, in pages, by the clock."""

import pytest

from tests import sealing
from tests.actors import Cast
from tests.transfers.addressing.making import make_available
from transfers import addressing, errors
from transfers.rules.lifecycle import State


def ids(page: addressing.Page) -> list[object]:
    return [one.id for one in page.transfers]


def test_each_side_lists_its_own(cast: Cast) -> None:
    transfer = make_available(cast)
    assert ids(addressing.list_transfers(cast.alice.who, direction="sent")) == [transfer.pk]
    assert ids(addressing.list_transfers(cast.alice.who, direction="received")) == []
    assert ids(addressing.list_transfers(cast.bob.who, direction="received")) == [transfer.pk]
    assert ids(addressing.list_transfers(cast.mallory.who)) == []


def test_pages_hold_each_transfer_once(cast: Cast) -> None:
    made = [make_available(cast).pk for _ in range(5)]
    seen: list[object] = []
    cursor = ""
    for _ in range(3):
        page = addressing.list_transfers(cast.alice.who, cursor=cursor, limit=2)
        seen, cursor = seen + ids(page), page.cursor
    assert seen == made[::-1]
    assert cursor == ""


def test_state_is_by_the_clock_in_lists_too(cast: Cast) -> None:
    transfer = make_available(cast)
    sealing.lapse(transfer)
    assert ids(addressing.list_transfers(cast.alice.who, state=State.AVAILABLE)) == []
    assert ids(addressing.list_transfers(cast.alice.who, state=State.CLOSED)) == [transfer.pk]


def test_a_made_up_cursor_is_refused(cast: Cast) -> None:
    with pytest.raises(errors.InvalidField):
        addressing.list_transfers(cast.alice.who, cursor="bm90IG9uZQ==")
