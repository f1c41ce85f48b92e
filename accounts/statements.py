"""Statements of the paths on which every millisecond counts: bound on the server, prepared once a connection.

Django's own cursor writes values into the text of a statement, so that each one is planned anew; for a push of
one instance planning alone would cost more than sealing it. Errors are Django's, transactions too.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from django.db import connection

Values = Sequence[Any] | Mapping[str, Any]  # Any: whatever the columns hold
Rows = list[tuple[Any, ...]]


def run(statement: LiteralString, values: Values) -> Rows:
    """Execute a statement; returns its rows, none where it gives none."""
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, values, prepare=True)
        return cursor.fetchall() if cursor.description else []


def batch(*statements: tuple[LiteralString, Values]) -> list[Rows]:
    """Execute statements one after the other, waiting once for all of them; returns the rows of each."""
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors, connection.connection.pipeline():
        cursors = [psycopg.Cursor(connection.connection) for _ in statements]
        for cursor, (statement, values) in zip(cursors, statements, strict=True):
            cursor.execute(statement, values, prepare=True)
        return [cursor.fetchall() for cursor in cursors]


def send(statement: LiteralString, values: Values) -> None:
    """Execute a statement that gives no rows; within `pipelined` without waiting for it."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, values, prepare=True)


def one(statement: LiteralString, values: Values) -> tuple[Any, ...] | None:
    """The first row of a statement, None where it gives none."""
    rows = run(statement, values)
    return rows[0] if rows else None


@contextmanager
def pipelined() -> Iterator[None]:
    """Send the statements of a block without waiting for each; none of them may give rows.

    Errors come at the end of the block.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield
