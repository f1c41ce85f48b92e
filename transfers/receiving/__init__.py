"""Receiving: every door that takes instances enters here.

A push is a row of parts. Of each part the header is scanned first, which says to which transfer it belongs; then
it is hashed and sealed into that transfer's pack as it arrives. One sync and one short transaction a transfer
end the push, and only then is anything called stored (architecture: the commit protocol).
"""

from transfers.receiving.composed import Composed, Composition
from transfers.receiving.finalising import discard_packs, finalise_quiet
from transfers.receiving.intake import create_transfer, transfer_source
from transfers.receiving.outcome import Failed, Outcome, Stored
from transfers.receiving.push import Birth, Push, Source, open_push
from transfers.receiving.push import drop as drop_push
from transfers.receiving.quota import ensure_room_for, usage
from transfers.receiving.reception import Reception, receive
from transfers.receiving.shelf import BulkPart

__all__ = [
    "Birth",
    "BulkPart",
    "Composed",
    "Composition",
    "Failed",
    "Outcome",
    "Push",
    "Reception",
    "Source",
    "Stored",
    "create_transfer",
    "discard_packs",
    "drop_push",
    "ensure_room_for",
    "finalise_quiet",
    "open_push",
    "receive",
    "transfer_source",
    "usage",
]
