"""Why a transfer is sent: a closed list, in the rule, in the words of the pages and in the database."""

import importlib

import pytest
from django.db import IntegrityError, connection, transaction

from exchange.portal import words
from tests.factories import make_transfer
from transfers import errors
from transfers.models import Transfer
from transfers.rules import purposes
from transfers.rules.purposes import CODES, Purpose

migration = importlib.import_module("transfers.migrations.0007_purpose_is_coded")


def test_every_purpose_has_words_and_all_but_other_a_code() -> None:
    assert set(words.PURPOSES) == set(Purpose) == {*CODES, Purpose.OTHER}


def test_what_is_in_the_list_passes() -> None:
    assert [purposes.check(purpose) for purpose in ("", *Purpose)] == ["", *Purpose]


@pytest.mark.parametrize("text", ["Treatment", "treatment ", "for Mrs Miller"])
def test_any_other_text_is_refused_with_the_list(text: str) -> None:
    with pytest.raises(errors.InvalidField, match="treatment, emergency, second opinion"):
        purposes.check(text)


@pytest.mark.django_db
def test_the_database_takes_no_other_text() -> None:
    transfer = make_transfer()
    with pytest.raises(IntegrityError, match="purpose_is_coded"), transaction.atomic():
        Transfer.objects.filter(pk=transfer.pk).update(purpose="for Mrs Miller")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("before", "after"),
    [("", ""), ("  ", ""), ("research", "research"), (" Second Opinion", "second opinion"), ("Mrs Miller", "other")],
)
def test_migration_keeps_what_is_in_the_list_and_drops_the_rest(before: str, after: str) -> None:
    transfer = make_transfer()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE transfers_transfer DROP CONSTRAINT purpose_is_coded")
        cursor.execute("UPDATE transfers_transfer SET purpose = %s WHERE id = %s", [before, transfer.pk])
        cursor.execute(migration.FILL, [migration.PURPOSES, migration.PURPOSES])
    transfer.refresh_from_db()
    assert transfer.purpose == after
