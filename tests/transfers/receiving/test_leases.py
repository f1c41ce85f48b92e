"""Whatever way a push ends, its lease ends with it: what seems to run blocks its transfer and counts for its key."""

import errno
import os
from collections.abc import Iterator

import psycopg
import pytest
from django.db import OperationalError

from accounts.models import Organization
from accounts.principals import Principal
from tests.factories import make_ct
from tests.transfers.receiving.conftest import Push, pieces
from transfers import access, errors, receiving
from transfers.models import Lease, Transfer
from transfers.receiving import rows
from transfers.rules.lifecycle import State


def fail(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_disk_that_is_full_at_the_first_byte(push: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", fail)
    descriptors = len(os.listdir("/proc/self/fd"))
    outcome = push([make_ct(), make_ct()])
    assert [type(one.error) for one in outcome.failed] == [errors.StorageFull] * 2
    assert Lease.objects.count() == 0
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_transfer_that_closed_meanwhile(who: Principal, recipient: Organization) -> None:
    def files() -> Iterator[Iterator[bytes]]:
        yield pieces(make_ct())
        Transfer.objects.update(state=State.CLOSED)

    outcome = receiving.receive(who, access.destination_of_address(who, "general-hospital"), files())
    assert [type(one.error) for one in outcome.failed] == [errors.Conflict]
    assert Lease.objects.count() == 0


def test_statement_that_fails(push: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(*_: object, **__: object) -> None:
        raise OperationalError(psycopg.OperationalError("canceled"))

    monkeypatch.setattr(rows, "insert", break_off)
    with pytest.raises(OperationalError):
        push([make_ct()])
    assert Lease.objects.count() == 0
