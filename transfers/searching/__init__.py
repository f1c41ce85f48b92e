"""Searching: QIDO-RS over the opened records of what the caller may see (DICOM PS3.18 Section 10.6).

UIDs are columns and answered by the database; names, identifiers and dates are sealed, and matched in memory.
`shelf` holds opened studies, `query` reads a request, `matching` compares, `counting` computes, `levels` answers;
`overview` says it to a person.
"""

from transfers.searching.attributes import Level
from transfers.searching.levels import Results, search
from transfers.searching.overview import Overview, overview
from transfers.searching.query import Query, matching_keys, parse
from transfers.searching.shaping import Scope

__all__ = ["Level", "Overview", "Query", "Results", "Scope", "matching_keys", "overview", "parse", "search"]
