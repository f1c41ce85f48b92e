"""`manage.py fsck [--read-data] [--json]`: is everything that was acknowledged still there?

With --json every line is a JSON object: one a fault, and always a last one that counts them, so that a program can
tell a sound exchange from a check that never came to its end.
"""

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
        parser.add_argument(
            "--json",
            action="store_true",
            help='One JSON object a line: each fault, and last always {"faults": count, "read_data": true or false}.',
        )

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's signature
        count = 0
        for fault in checking.check(read_data=options["read_data"]):
            count += 1
            said = f"{fault.transfer or '-'}: {fault.sentence}"
            self.stdout.write(json.dumps(asdict(fault)) if options["json"] else said)
        if options["json"]:
            self.stdout.write(json.dumps({"faults": count, "read_data": options["read_data"]}))
        elif not count:
            self.stdout.write("No fault found.")
        if count:
            raise SystemExit(1)
