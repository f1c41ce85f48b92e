"""Notifying: who is told of what (`announcing`), in which words (`letters`), at which address, and that it went.

An announcement writes one row a reader, with its Message-ID, and a job; sending is that job. A mail may be
repeated only where a worker died between the server's 250 and our commit, and then under the same Message-ID.
No mail holds anything of a patient.
"""

from transfers.notifying.announcing import (
    alarm_operators,
    announce_available,
    announce_declined,
    announce_delivery,
    announce_held,
    announce_lapsed,
    announce_locked,
    announce_rejected,
    announce_rejections,
    announce_renewed,
    announce_reopened,
    announce_withdrawn,
    warn_quota,
)
from transfers.notifying.sending import give_up, send

__all__ = [
    "alarm_operators",
    "announce_available",
    "announce_declined",
    "announce_delivery",
    "announce_held",
    "announce_lapsed",
    "announce_locked",
    "announce_rejected",
    "announce_rejections",
    "announce_renewed",
    "announce_reopened",
    "announce_withdrawn",
    "give_up",
    "send",
    "warn_quota",
]
