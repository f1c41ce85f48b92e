"""Checkpoints of the audit trail, kept where the database's administrator does not reach: beside the keys.

One line a sealed segment. A trail whose end was cut off no longer reaches its newest checkpoint.
"""

import json
from typing import Final

from transfers import keys

JOURNAL: Final = "checkpoints"


class AuditCheckpoints:
    """What settings.AUDIT_CHECKPOINTS names; organisation None is the exchange's own trail."""

    def keep(self, organization_id: int | None, number: int, digest_hex: str) -> None:
        """Add the digest of a segment, durably."""
        line = json.dumps([organization_id, number, digest_hex], separators=(",", ":"))
        keys.provider().append_line(line, journal=JOURNAL)

    def newest(self) -> dict[int | None, tuple[int, str]]:
        """Return the newest checkpoint of each organisation."""
        newest: dict[int | None, tuple[int, str]] = {}
        for line in keys.provider().lines(journal=JOURNAL):
            organization_id, number, digest_hex = json.loads(line)
            newest[organization_id] = (number, digest_hex)
        return newest
