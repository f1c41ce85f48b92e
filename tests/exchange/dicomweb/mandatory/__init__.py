"""What PS3.18 makes mandatory or required of an origin server that stores, retrieves and searches: one row each.

A row asks once and says which status and media type come back. `deviates` is empty where that is what the standard
says; else it holds words that stand in docs/conformance.md about it, and the row holds the answer stated there. When
what it tells of is built, row and document change together.
"""

from typing import Final

from tests.exchange.dicomweb.mandatory import others, retrieving, searching, storing

ROWS: Final = [
    *retrieving.RETRIEVE,
    *retrieving.NEGOTIATE,
    *retrieving.RENDER,
    *searching.SEARCH,
    *storing.STORE,
    *others.URI,
    *others.CAPABILITIES,
    *others.COMMIT,
]
