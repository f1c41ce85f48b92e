"""Documents: a report or another file that travels with a study or alone, sealed like an instance.

A document for a transfer that is already available becomes a follow-up to the same recipients, for an available
transfer never changes. The same bytes twice are one document.
"""

from transfers.documenting.attaching import AttachedDocument, attach
from transfers.documenting.inspecting import MEDIA_TYPES, STATUSES, Description

__all__ = ["MEDIA_TYPES", "STATUSES", "AttachedDocument", "Description", "attach"]
