"""`manage.py relay`: ring the workers for what is due; `--drain`: do what is due, here and now."""

import signal
import sys
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from transfers import relay, tasks

# A child that does jobs ends after so long, so that the workers are asked again first.
DRAIN_SECONDS = 60.0


class Command(BaseCommand):
    help = "Ring the workers for due jobs, twice a second, until SIGTERM."
    requires_system_checks = []  # `up` and `check` have looked; a door's mistake must not stop what is due

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--drain", action="store_true", help="do the due jobs in this process, then end")

    def handle(self, *_: Any, drain: bool, **__: Any) -> None:  # Any: what Django passes
        if drain:
            tasks.drain(seconds=DRAIN_SECONDS)
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "relay", "--drain"]
        relay.Relay(schedule=tasks.schedule(), drain_command=command).serve(stop)
