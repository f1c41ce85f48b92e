"""Statements of the paths on which every millisecond counts: bound on the server, prepared once a connection.

Django's own cursor writes values into the text of a statement, so that each one is planned anew; for a push of
one instance planning alone would cost more than sealing it. Errors are Django's, transactions too.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, LiteralString

import psycopg
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections, transaction
from django.db.backends.postgresql.base import DatabaseWrapper

Values = Sequence[Any] | Mapping[str, Any]  # Any: whatever the columns hold
Statement = tuple[LiteralString, Values]
Rows = list[tuple[Any, ...]]

_PLACEHOLDER: Final = re.compile(r"%(?:\((\w+)\))?s")


def run(statement: LiteralString, values: Values, *, binary: bool = False) -> Rows:
    """Execute a statement; returns its rows, none where it gives none.

    In `binary`, many rows and octets come in half the time; not for jsonb and for times, which Django reads as text.
    """
    return _run(_connection(), statement, values, binary=binary)


def look(statement: LiteralString, values: Values) -> Rows:
    """Execute a statement that only reads, the first of a request: it serves as Django's health check too.

    A connection that broke since the last request, as all do when the database is started anew, is replaced, and
    the statement executed again.
    """
    ours: Any = _connection()  # Any: the stubs leave out what is asked of it here
    try:
        rows = _run(ours, statement, values)
    except OperationalError:
        if ours.in_atomic_block or ours.health_check_done or not ours.connection.closed:
            raise
        ours.close()
        ours.connect()
        rows = _run(ours, statement, values)
    ours.health_check_done = True
    return rows


def batch(*statements: Statement) -> list[Rows]:
    """Execute statements one after the other, waiting once for all of them; returns the rows of each."""
    cursors = _pipeline(_connection(), statements)
    return [cursor.fetchall() for cursor in cursors]  # to fetch before the pipeline ends would be to wait twice


def atomically(*statements: Statement) -> None:
    """Execute statements that give no rows as one transaction, waiting once for all of it.

    Between two synchronisations the server takes what comes as one implicit transaction, so nothing is waited for to
    begin or to commit it (PostgreSQL, "Pipelining in the Extended Query Protocol"). Within a transaction it is a
    savepoint of that.
    """
    ours = _connection()
    if ours.in_atomic_block:
        with transaction.atomic():
            _pipeline(ours, statements)
    else:
        _pipeline(ours, statements)


def send(statement: LiteralString, values: Values) -> None:
    """Execute a statement that gives no rows; within `pipelined` without waiting for it."""
    ours = _connection()
    with ours.wrap_database_errors:
        psycopg.RawCursor(ours.connection).execute(*_bound(statement, values), prepare=True)


def one(statement: LiteralString, values: Values) -> tuple[Any, ...] | None:
    """The first row of a statement, None where it gives none."""
    rows = run(statement, values)
    return rows[0] if rows else None


def _run(ours: DatabaseWrapper, statement: LiteralString, values: Values, *, binary: bool = False) -> Rows:
    ours.validate_no_broken_transaction()
    with ours.wrap_database_errors:
        cursor = psycopg.RawCursor(ours.connection)
        cursor.execute(*_bound(statement, values), prepare=True, binary=binary)
        return cursor.fetchall() if cursor.pgresult and cursor.pgresult.nfields else []


def _pipeline(ours: DatabaseWrapper, statements: Sequence[Statement]) -> list[psycopg.RawCursor[tuple[Any, ...]]]:
    ours.validate_no_broken_transaction()
    with ours.wrap_database_errors, ours.connection.pipeline():
        cursors = [psycopg.RawCursor(ours.connection) for _ in statements]
        for cursor, (statement, values) in zip(cursors, statements, strict=True):
            cursor.execute(*_bound(statement, values), prepare=True)
    return cursors


@contextmanager
def pipelined() -> Iterator[None]:
    """Send the statements of a block without waiting for each; none of them may give rows.

    Errors come at the end of the block.
    """
    ours = _connection()
    with ours.wrap_database_errors, ours.connection.pipeline():
        yield


def _connection() -> DatabaseWrapper:
    """This thread's connection, looked up once a call: Django's `connection` looks it up at each attribute."""
    ours: DatabaseWrapper = connections[DEFAULT_DB_ALIAS]  # type: ignore[assignment]
    ours.ensure_connection()
    return ours


def _bound(statement: LiteralString, values: Values) -> tuple[bytes, Sequence[Any]]:
    """The statement as the server knows it, and its values in their order."""
    numbered, names = _numbered(statement)
    return numbered, values if not isinstance(values, Mapping) else [values[name] for name in names]


@cache
def _numbered(statement: LiteralString) -> tuple[bytes, list[str]]:
    """`%s` and `%(name)s` as `$1`, `$2`, …, with the names in that order.

    The driver would do the same, but remembers it of short statements only.
    """
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        name = found[1] or f"{len(names) + 1}"
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return _PLACEHOLDER.sub(number, statement).encode(), names
