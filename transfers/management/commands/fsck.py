"""`manage.py fsck [--read-data] [--json]`: is everything that was acknowledged still there?"""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from transfers.expiring import checking


class Command(BaseCommand):
    help = "Compare rows and storage both ways; exit 1 if anything is wrong. Nothing is changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--read-data", action="store_true", help="Open everything and compare its SHA-256.")
        parser.add_argument("--json", action="store_true", help="One JSON object a line.")

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's signature
        count = 0
        for fault in checking.check(read_data=options["read_data"]):
            count += 1
            said = f"{fault.transfer or '-'}: {fault.sentence}"
            self.stdout.write(json.dumps(asdict(fault)) if options["json"] else said)
        if count:
            raise SystemExit(1)
        if not options["json"]:
            self.stdout.write("No fault found.")
