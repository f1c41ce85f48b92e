"""Expiry and what remains: access closes, keys go, bytes follow, and the register still tells who got what.

`lapsing` closes by the clock, `extending` moves the end, `withdrawing` ends at once, `purging` destroys,
`braking` keeps it from destroying too much, `registering` writes and searches what stays, `journaling` keeps
beside the keys what a restore must destroy again, `sweeping` compares storage with rows, `checking` does so
without touching either, `saving` and `restoring` are backup and its way back.
"""

from transfers.expiring.extending import extend, reopen
from transfers.expiring.lapsing import close_fulfilled, lapse_due
from transfers.expiring.purging import delete_objects, destroy_day_keys, purge_due
from transfers.expiring.registering import DisclosureEntry, search_disclosures
from transfers.expiring.sweeping import end_dead_pushes, sweep_storage
from transfers.expiring.withdrawing import withdraw

__all__ = [
    "DisclosureEntry",
    "close_fulfilled",
    "delete_objects",
    "destroy_day_keys",
    "end_dead_pushes",
    "extend",
    "lapse_due",
    "purge_due",
    "reopen",
    "search_disclosures",
    "sweep_storage",
    "withdraw",
]
