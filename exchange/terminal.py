"""What a command says to the person at the terminal when it cannot begin: one sentence instead of a trace."""

import sys
from collections.abc import Sequence
from typing import Final

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError

# What PostgreSQL answers to who wants to connect (its Appendix A); a connection that never came about has no code.
_NOT_CONNECTED: Final = ("08", "28", "3D000", "53300", "57P03")


def run(arguments: Sequence[str]) -> None:
    """Run a management command; exits 1 with a sentence where settings are wrong or no database answers."""
    try:
        _ = settings.INSTALLED_APPS  # reads them all
    except (ImproperlyConfigured, ValueError) as error:
        sys.exit(f"The settings are wrong: {error}")
    try:
        execute_from_command_line(list(arguments))
    except OperationalError as error:
        sentence = no_database(error)
        if sentence is None:
            raise
        sys.exit(sentence)


def no_database(error: OperationalError) -> str | None:
    """Why there is no connection to the database and what to do; None where it is another error."""
    cause = error.__cause__
    if not isinstance(cause, psycopg.OperationalError):
        return None
    if cause.sqlstate is not None and not cause.sqlstate.startswith(_NOT_CONNECTED):
        return None
    if settings.IS_DATABASE_EMBEDDED:
        return f"The exchange is not running on {settings.DATA_DIR}: start it with `make run`, or set DATABASE_URL."
    reason = (str(cause).strip().splitlines() or ["no reason given"])[0].removeprefix("connection is bad: ")
    return f"The database does not answer ({reason}): start it, or look at DATABASE_URL."
