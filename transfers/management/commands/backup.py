"""`manage.py backup DIR`: database and packs, while the exchange runs; never the keys."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from transfers import errors
from transfers.expiring import saving


class Command(BaseCommand):
    help = "Write a backup into a new folder. Back the key folder up apart from it, in another place."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:  # Any: Django's signature
        try:
            manifest = saving.save(folder)
        except (errors.ExchangeError, OSError) as error:
            raise CommandError(str(error)) from error
        size = sum(pack.size for pack in manifest.packs)
        self.stdout.write(f"Saved the database and {len(manifest.packs)} packs ({size} bytes) in {folder}.")
        if any(not pack.sha256 for pack in manifest.packs):
            self.stdout.write("The packs lie in a bucket and were only listed: replicate the bucket.")
        self.stdout.write(f"The keys are not in it. Back up {settings.EXCHANGE_KEYS} apart from it.")
        for name in manifest.missing:
            self.stdout.write(f"Missing: the object {name}. Run manage.py fsck.")
        if manifest.missing:
            raise SystemExit(1)
