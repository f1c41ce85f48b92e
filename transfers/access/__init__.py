"""Who may see or do what, until when: the only place that decides.

`sending` answers where a push may go, `seeing` which transfers a caller sees, `acting` what may be done to one,
`links` what the holder of a link may. What is not the caller's and what never was get the very same error.
"""

from transfers.access.acting import Act, delivery_for, held_for, transfer_for
from transfers.access.links import (
    Link,
    Verdict,
    digest_of_pin,
    grant_of,
    holder_of,
    principal_of_grant,
    resolve_link,
    same_reader,
    same_reader_of,
    verify_factor,
)
from transfers.access.looking import Mark, look, look_again
from transfers.access.seeing import (
    Sight,
    ensure_still_open,
    sight,
    sights,
    visible_transfers,
    was_study_open,
)
from transfers.access.sending import (
    Destination,
    Recipient,
    destination_of_address,
    destination_of_transfer,
    draft_destination,
    partners_of,
    resolve_recipient,
)
from transfers.access.sent import sent_ids

__all__ = [
    "Act",
    "Destination",
    "Link",
    "Mark",
    "Recipient",
    "Sight",
    "Verdict",
    "delivery_for",
    "destination_of_address",
    "destination_of_transfer",
    "digest_of_pin",
    "draft_destination",
    "ensure_still_open",
    "grant_of",
    "held_for",
    "holder_of",
    "look",
    "look_again",
    "partners_of",
    "principal_of_grant",
    "resolve_link",
    "resolve_recipient",
    "same_reader",
    "same_reader_of",
    "sent_ids",
    "sight",
    "sights",
    "transfer_for",
    "verify_factor",
    "visible_transfers",
    "was_study_open",
]
