"""`manage.py maintenance on|off [note]`: every door answers 503, and nothing is destroyed."""

import re
from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand

from accounts import audit
from accounts.principals import system
from transfers.expiring import braking

# A time of day with no zone, offset or name of one behind it.
_TIME: Final = re.compile(r"(?<![+\d-])\d{1,2}:\d{2}\b(?! ?([A-Z]{1,5}\b|[A-Z][a-z]+/|[+-]\d))")


class Command(BaseCommand):
    help = "Close every door with 503 and Retry-After, or open them again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("verb", choices=["on", "off"])
        parser.add_argument(
            "note", nargs="?", default="", help="What people are told while it lasts, such as Back at 14:00 UTC."
        )

    def handle(self, *args: Any, verb: str, note: str, **options: Any) -> None:  # Any: Django's signature
        if verb == "on":
            braking.switch_on(braking.MAINTENANCE, note)
            if _TIME.search(note):
                self.stderr.write("A time without its zone is read wrong elsewhere: say 14:00 UTC, not 14:00.")
        else:
            braking.switch_off(braking.MAINTENANCE)
        audit.record(system("operator"), f"maintenance.{verb}", organization_id=None)
        self.stdout.write("The doors are closed." if verb == "on" else "The doors are open.")
