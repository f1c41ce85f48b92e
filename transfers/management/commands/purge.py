"""`manage.py purge status|confirm|run`: look at the brake, release it, or purge now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from accounts.principals import system
from transfers import expiring
from transfers.expiring import braking, purging
from transfers.models import Switch

_SAID = {
    braking.BRAKE: "Purging is stopped",
    braking.STORAGE_BRAKE: "Sweeping the storage is stopped",
    braking.MAINTENANCE: "Maintenance is on",
    braking.HOLD: "A backup is running",
}


class Command(BaseCommand):
    help = "Show what stops purging, confirm that it may go on, or purge now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("verb", choices=["status", "confirm", "run"])

    def handle(self, *args: Any, verb: str, **options: Any) -> None:  # Any: Django's signature
        {"status": self._status, "confirm": self._confirm, "run": self._run}[verb]()

    def _status(self) -> None:
        self.stdout.write(f"{purging.due().count()} transfers are due.")
        for switch in Switch.objects.filter(is_on=True, name__in=_SAID):
            since = f" since {switch.since:%Y-%m-%d %H:%M UTC}" if switch.since else ""
            self.stdout.write(f"{_SAID[switch.name]}{since}. {switch.note}".rstrip())

    def _confirm(self) -> None:
        notes = braking.confirm(system("operator"))
        for note in notes:
            self.stdout.write(f"Confirmed: {note}")
        if not notes:
            self.stdout.write("Nothing is stopped.")

    def _run(self) -> None:
        purged, destroyed = expiring.purge_due(), expiring.destroy_day_keys()
        self.stdout.write(f"{_counted(purged, 'transfer')} destroyed, {_counted(destroyed, 'day key')} destroyed.")
        self._status()


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
