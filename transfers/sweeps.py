"""One act after the other over many rows: what fails for one of them never stops the rest."""

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from django.db import InterfaceError, OperationalError

from transfers import errors

logger = logging.getLogger(__name__)

Row = TypeVar("Row")


def each(rows: Iterable[Row], act: Callable[[Row], int]) -> int:
    """Do it for each and add up; one that fails is logged by its id, and comes again with the next sweep.

    A database, store or key folder that is away ends the sweep: it would fail for all. `act` has its own transaction.
    """
    done = 0
    for row in rows:
        try:
            done += act(row)
        except (InterfaceError, OperationalError, errors.Unavailable):
            raise
        except Exception as error:
            logger.error("sweep of %s failed: %s", row, type(error).__name__)
    return done
