"""Validate a transfer and see what came of it."""

from transfers import validating
from transfers.models import Transfer


def validated(transfer: Transfer) -> Transfer:
    validating.validate(transfer.pk)
    transfer.refresh_from_db()
    return transfer


def codes(transfer: Transfer) -> set[str]:
    return set(transfer.findings.values_list("code", flat=True))
