"""`manage.py restore DIR`: into an empty database; the doors stay closed until maintenance is switched off."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from transfers import errors
from transfers.expiring import restoring


class Command(BaseCommand):
    help = "Restore a backup with the keys it was taken under, destroy again what was destroyed since, list losses."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:  # Any: Django's signature
        try:
            restored = restoring.restore(folder)
        except (errors.ExchangeError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Restored the state of {restored.manifest.taken_at:%Y-%m-%d %H:%M UTC}.")
        self.stdout.write(f"{restored.packs} pack{'' if restored.packs == 1 else 's'} brought back.")
        again = f"{restored.destroyed_again} transfer{'' if restored.destroyed_again == 1 else 's'}"
        self.stdout.write(f"{again} destroyed again: withdrawn or purged since.")
        for fault in restored.losses:
            self.stdout.write(f"Loss: {fault.transfer or '-'}: {fault.sentence}")
        self.stdout.write("Nothing is lost." if not restored.losses else f"{len(restored.losses)} losses.")
        self.stdout.write("The doors are closed. Open them with: manage.py maintenance off")
        if restored.losses:
            raise SystemExit(1)
