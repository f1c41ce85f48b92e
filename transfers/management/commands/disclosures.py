"""`manage.py disclosures ORGANISATION`: who was sent a patient's studies?"""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Organization
from accounts.principals import Place, Principal
from transfers import errors, expiring
from transfers.expiring import DisclosureEntry
from transfers.rules.lifecycle import Progress

_ASKED: Final = ("Patient ID", "Issuer", "Accession number", "E-mail address of the reader")
_HEADS: Final = ("Sent", "Transfer", "To", "What became of it", "Images pulled", "First pulled", "Access ended")
_SAID: Final = {
    Progress.NONE: "not opened",
    Progress.OPENED: "opened",
    Progress.PARTLY_PULLED: "partly pulled",
    Progress.PULLED: "pulled",
    Progress.PROVEN: "receipt confirmed",
}


class Command(BaseCommand):
    help = (
        "Search the register of disclosures. Patient ID, issuer, accession number and a reader's address are read from "
        "standard input. Of readers by link only a keyed hash is kept: name an address to see what went to it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("organization", help="The address of the sending organisation.")

    def handle(self, *args: Any, organization: str, **options: Any) -> None:  # Any: Django's signature
        sender = Organization.objects.filter(address=organization).first()
        if sender is None:
            raise CommandError(f"There is no organisation {organization}.")
        who = Principal(kind="system", ident="system:operator", places=(Place(sender.pk, None, frozenset({"manage"})),))
        # Arguments would stand in the list of processes and in the shell's history.
        patient_id, issuer, accession, email = (self._ask(what) for what in _ASKED)
        try:
            found = expiring.search_disclosures(
                who, patient_id=patient_id, issuer=issuer, accession=accession, email=email
            )
        except errors.ExchangeError as error:
            raise CommandError(str(error)) from error
        if not found:
            self.stdout.write("Nobody.")
            return
        for line in _table([_HEADS, *map(_row, found)]):
            self.stdout.write(line)

    def _ask(self, what: str) -> str:
        self.stderr.write(f"{what} (or nothing): ", ending="")
        return sys.stdin.readline().strip()


def _row(entry: DisclosureEntry) -> tuple[str, ...]:
    return (
        _moment(entry.sent_at, otherwise="never"),
        entry.reference,
        entry.recipient_name or entry.recipient,
        _SAID[Progress(entry.progress)],
        f"{entry.pulled_instances} of {entry.instance_count}",
        _moment(entry.first_pulled_at, otherwise="never"),
        _moment(entry.closed_at, otherwise="not yet"),
    )


def _moment(at: datetime | None, *, otherwise: str) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else otherwise


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
