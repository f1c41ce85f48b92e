"""Addressing: a draft is made, gets its recipients, and is sent; afterwards each side answers for itself.

`drafting` makes and changes drafts, `sending` moves them on, `answering` is what recipients do and what a sender
does to one of them, `linking` opens and renews links, `lifetimes` decides how long, `declaring` takes what
belongs to it. `describing` and `listing` say what a caller may know of a
transfer, as the frozen answers of `views`. `repeating` makes a repeated request harmless.
"""

from transfers.addressing.answering import accept, acknowledge, decline, note_opened, revoke
from transfers.addressing.declaring import declare
from transfers.addressing.describing import describe
from transfers.addressing.drafting import (
    MAX_RECIPIENTS,
    Created,
    IssuedPin,
    add_recipients,
    change_draft,
    create,
    remove_recipient,
)
from transfers.addressing.linking import open_link, renew_link
from transfers.addressing.listing import Page, Summary, list_transfers
from transfers.addressing.repeating import Answer, once
from transfers.addressing.sending import finalise, release, send
from transfers.addressing.views import TransferView

__all__ = [
    "MAX_RECIPIENTS",
    "Answer",
    "Created",
    "IssuedPin",
    "Page",
    "Summary",
    "TransferView",
    "accept",
    "acknowledge",
    "add_recipients",
    "change_draft",
    "create",
    "declare",
    "decline",
    "describe",
    "finalise",
    "list_transfers",
    "note_opened",
    "once",
    "open_link",
    "release",
    "remove_recipient",
    "renew_link",
    "revoke",
    "send",
]
