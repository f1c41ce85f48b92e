"""The statements of the quick paths: what they do where the database was started anew."""

from typing import Any

import pytest
from django import db
from django.db import OperationalError, transaction

from accounts import statements

pytestmark = pytest.mark.django_db(transaction=True)

connection: Any = db.connection  # Any: the stubs leave out its health check
MINE = "SELECT pg_backend_pid()"


def end_connection() -> int:
    """End this thread's connection on the server's side, as a restart of the database does, at a request's begin."""
    (pid,) = statements.run(MINE, [])[0]
    other = connection.copy("other")
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    other.close()
    connection.health_check_done = False
    return int(pid)


def test_a_broken_connection_is_replaced_before_anything_was_done() -> None:
    ended = end_connection()
    assert statements.look(MINE, [])[0][0] != ended


def test_within_a_transaction_it_is_an_error() -> None:
    with pytest.raises(OperationalError), transaction.atomic():
        end_connection()
        statements.look(MINE, [])
    connection.close()


def test_a_look_is_the_health_check_of_its_request() -> None:
    connection.health_check_done = False
    statements.look(MINE, [])
    assert connection.health_check_done
