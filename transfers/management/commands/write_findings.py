"""Write docs/findings.md from the table in transfers/rules/findings.py."""

from django.conf import settings
from django.core.management.base import BaseCommand

from transfers.rules import findings


class Command(BaseCommand):
    help = "Write docs/findings.md from the table of findings."

    def handle(self, *args: object, **options: object) -> None:
        path = settings.BASE_DIR / "docs" / "findings.md"
        path.write_text(findings.as_markdown())
        self.stdout.write(f"wrote {path}")
