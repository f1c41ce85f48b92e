"""`manage.py disclosures ORGANISATION`: who was sent a patient's studies?"""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Organization
from accounts.principals import Place, Principal
from transfers import errors, expiring


class Command(BaseCommand):
    help = "Search the register of disclosures. Patient ID, issuer and accession are read from standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("organization", help="The address of the sending organisation.")

    def handle(self, *args: Any, organization: str, **options: Any) -> None:  # Any: Django's signature
        sender = Organization.objects.filter(address=organization).first()
        if sender is None:
            raise CommandError(f"There is no organisation {organization}.")
        who = Principal(kind="system", ident="system:operator", places=(Place(sender.pk, None, frozenset({"manage"})),))
        # Arguments would stand in the list of processes and in the shell's history.
        patient_id, issuer, accession = (self._ask(what) for what in ("Patient ID", "Issuer", "Accession number"))
        try:
            found = expiring.search_disclosures(who, patient_id=patient_id, issuer=issuer, accession=accession)
        except errors.ExchangeError as error:
            raise CommandError(str(error)) from error
        for entry in found:
            sent = f"{entry.sent_at:%Y-%m-%d %H:%M UTC}" if entry.sent_at else "never sent"
            pulled = f"{entry.pulled_instances} of {entry.instance_count} pulled"
            self.stdout.write(f"{sent}  {entry.reference}  {entry.recipient_name}  {entry.progress}, {pulled}")
        if not found:
            self.stdout.write("Nobody.")

    def _ask(self, what: str) -> str:
        self.stderr.write(f"{what} (or nothing): ", ending="")
        return sys.stdin.readline().strip()
