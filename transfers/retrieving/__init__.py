"""Retrieving: what a caller may see, handed over byte for byte, and recorded once it was.

`items` finds the instances a request names, `answers` gives them a known size and streams them, `metadata` and
`frames` answer parts of them, `ledger` keeps what was handed over.
"""

from transfers.retrieving.answers import (
    Answer,
    Made,
    Piece,
    Stretch,
    Watch,
    Whole,
    digests,
    of_pieces,
    open_key,
    read,
    read_stretch,
    stream,
    tag,
)
from transfers.retrieving.bulk import PIXELS, bulk_pieces, named_bulk
from transfers.retrieving.converting import CONVERTIBLE, Budget, explicit_pieces, pixel_width, with_syntax
from transfers.retrieving.frames import find_frames, locate_bulk, locate_frames, stretches
from transfers.retrieving.items import (
    DOCUMENT,
    INSTANCE,
    SHOWN,
    InstanceItem,
    Item,
    Target,
    find,
    preferred,
    select,
    select_all,
    sights_of,
    without_repeats,
)
from transfers.retrieving.ledger import Kind, Ledger
from transfers.retrieving.metadata import is_small, records, stream_metadata, stream_native

__all__ = [
    "CONVERTIBLE",
    "DOCUMENT",
    "INSTANCE",
    "PIXELS",
    "SHOWN",
    "Answer",
    "Budget",
    "InstanceItem",
    "Item",
    "Kind",
    "Ledger",
    "Made",
    "Piece",
    "Stretch",
    "Target",
    "Watch",
    "Whole",
    "bulk_pieces",
    "digests",
    "explicit_pieces",
    "find",
    "find_frames",
    "is_small",
    "locate_bulk",
    "locate_frames",
    "named_bulk",
    "of_pieces",
    "open_key",
    "pixel_width",
    "preferred",
    "read",
    "read_stretch",
    "records",
    "select",
    "select_all",
    "sights_of",
    "stream",
    "stream_metadata",
    "stream_native",
    "stretches",
    "tag",
    "with_syntax",
    "without_repeats",
]
