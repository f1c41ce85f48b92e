"""`manage.py audit_verify`: has anybody changed the audit trail?"""

from typing import Any

from django.core.management.base import BaseCommand

from accounts import audit


class Command(BaseCommand):
    help = "Verify every chain, its signatures and its checkpoints; exit 1 if anything is wrong."

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's signature
        faults = list(audit.verify())
        for fault in faults:
            whose = "the exchange" if fault.organization_id is None else f"organisation {fault.organization_id}"
            self.stdout.write(f"Segment {fault.segment} of {whose}: {fault.sentence}.")
        if faults:
            raise SystemExit(1)
        self.stdout.write("The audit trail is whole.")
