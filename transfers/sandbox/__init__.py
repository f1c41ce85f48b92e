"""The limited child process in which untrusted data are parsed and decoded.

`describe` and `inspect` are what validation asks; `workers.call` runs the `handle` of any module in a child
of the same kind. Pixels are never sent: transfers/sandbox/trimming.py leaves them out.
"""

from transfers.sandbox.compositions import Plan, compose
from transfers.sandbox.descriptions import Description, Trimmed, describe, inspect
from transfers.sandbox.trimming import Trimmer
from transfers.sandbox.workers import Reply, call, isolation, make_ready

__all__ = [
    "Description",
    "Plan",
    "Reply",
    "Trimmed",
    "Trimmer",
    "call",
    "compose",
    "describe",
    "inspect",
    "isolation",
    "make_ready",
]
