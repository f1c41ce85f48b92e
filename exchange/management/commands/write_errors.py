"""Write docs/errors.md from the table in exchange/problems.py."""

from django.conf import settings
from django.core.management.base import BaseCommand

from exchange import problems


class Command(BaseCommand):
    help = "Write docs/errors.md from the table of errors."

    def handle(self, *args: object, **options: object) -> None:
        path = settings.BASE_DIR / "docs" / "errors.md"
        path.write_text(problems.as_markdown())
        self.stdout.write(f"wrote {path}")
