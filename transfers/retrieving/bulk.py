"""The bulk data of instances: what their sealed records name, and where each of them lies (DICOM PS3.18 Section 10.4).

What lies in a deflated data set has no place in the file: it is inflated and held, up to the budget of the answer.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from transfers import errors
from transfers.formats import filemeta, locating
from transfers.retrieving import converting, metadata
from transfers.retrieving.answers import Piece, Whole
from transfers.retrieving.converting import Budget
from transfers.retrieving.frames import locate_bulk, parse_path
from transfers.retrieving.items import InstanceItem

# Pixel Data, Float Pixel Data and Double Float Pixel Data (PS3.3 Section C.7.6.3 and following).
PIXELS: Final = frozenset({"7FE00008", "7FE00009", "7FE00010"})
# Only where a URI begins does a NUL stand in a record: in a text it would be escaped.
_NAMED: Final = re.compile(rb'"BulkDataURI":"\0[^"]*/bulkdata/([0-9A-F/]+)"')


def named_bulk(items: Sequence[InstanceItem]) -> Iterator[tuple[InstanceItem, list[str]]]:
    """Each instance with the paths of its bulk data, in the order of its data set."""
    for batch in metadata.batches(items):
        for item, record in zip(batch, metadata.records(batch, base_url="\0"), strict=True):
            yield item, [found[1].decode() for found in _NAMED.finditer(record)]


def bulk_pieces(item: InstanceItem, paths: Sequence[str], budget: Budget) -> list[list[Piece]]:
    """The value at each path, in Little Endian; raises NotFound, NotAcceptable where it cannot be given."""
    if item.transfer_syntax_uid not in filemeta.DEFLATED:
        return [[locate_bulk(item, path)] for path in paths]
    steps = [parse_path(path) for path in paths]
    data = b"".join(converting.inflated(item, budget)) if paths else b""
    return [[value, Whole(item, len(value))] for value in (_find(data, one) for one in steps)]


def _find(data: bytes, path: Sequence[int]) -> bytes:
    """PS3.5 Annex A.5: inside the deflation everything is Explicit VR Little Endian."""
    try:
        found = locating.find(
            lambda at, length: data[at : at + length], path, start=0, stop=len(data), is_implicit=False, is_big=False
        )
    except errors.MalformedInstance:
        raise errors.NotFound from None
    return data[found.start : found.stop]
