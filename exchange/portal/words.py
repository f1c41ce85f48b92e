"""The words that pages use for states and events (the tables of transfers/rules/lifecycle.py)."""

from typing import Final

STATES: Final = {
    "draft": "Draft",
    "receiving": "Being received",
    "validating": "Being checked",
    "held": "Held",
    "rejected": "Rejected",
    "available": "Available",
    "closed": "Closed",
    "purged": "Destroyed",
}
REASONS: Final = {
    "waiting": "waits for a report or a set time",
    "findings": "a problem was found in it, and the sender has to decide",
    "failed": "it could not be checked",
    "lapsed": "its time is over",
    "withdrawn": "withdrawn by the sender",
    "fulfilled": "everybody has it",
    "idle": "unused for too long",
}
PURPOSES: Final = {
    "treatment": "Treatment",
    "emergency": "Emergency treatment",
    "second opinion": "Second opinion",
    "referral": "Referral",
    "follow-up": "Follow-up of an earlier examination",
    "patient request": "At the patient's request",
    "research": "Research",
    "quality": "Quality assurance",
    "other": "Other; see the message",
}
ACCESS: Final = {
    "waiting": "waits for acceptance",
    "open": "open",
    "declined": "declined",
    "revoked": "taken back",
    "ended": "ended",
}
MEDIA_TYPES: Final = {
    "application/pdf": "PDF",
    "text/plain": "text",
    "text/xml": "XML",
    "application/xml": "XML",
    "application/hl7-v3+xml": "XML",
    "application/hl7-cda+xml": "XML",
}
NOTICE: Final = {
    "pending": "not told yet",
    "sent": "told by mail",
    "bounced": "mail came back",
    "failed": "could not be told",
}
PROGRESS: Final = {
    "none": "not opened",
    "opened": "opened",
    "partly pulled": "partly pulled",
    "pulled": "pulled",
    "proven": "receipt confirmed",
}
GRADES: Final = {"stop": "Stop", "check": "Check", "note": "Note"}
# Why a link is over, as the second half of a sentence that begins with the sender.
ENDS: Final = {
    "withdrawn": "It was withdrawn by the sender",
    "revoked": "The sender closed this link",
    "fulfilled": "It was closed because everybody had it",
    "lapsed": "Its time was over",
}
ACTIONS: Final = {
    "transfer.create": "Created",
    "transfer.push-to-address": "First images arrived",
    "transfer.change": "Changed",
    "transfer.address": "Recipients added",
    "transfer.remove-recipient": "A recipient taken off",
    "transfer.send": "Sent; more images expected",
    "transfer.send-complete": "Sent",
    "transfer.declare": "Contents declared",
    "transfer.finalise": "Complete; checking began",
    "transfer.finalise-requested": "Said to be complete",
    "transfer.new-digest": "More images arrived",
    "transfer.pass": "Checked and available",
    "transfer.wait": "Held until a report or a set time",
    "transfer.stop": "Held for its findings",
    "transfer.fail": "Held: checking failed",
    "transfer.reject": "Rejected: nothing in it could be used",
    "transfer.release": "Released",
    "transfer.retry": "Checked again",
    "transfer.reject-instances": "Some images marked as not to be used",
    "transfer.follow-up": "Begun as a follow-up",
    "document.attach": "Document attached",
    "transfer.extend": "Extended",
    "transfer.lapse": "Time over",
    "transfer.re-open": "Opened again",
    "transfer.fulfil": "Closed: everybody has it",
    "transfer.withdraw": "Withdrawn",
    "transfer.purge": "Destroyed",
    "delivery.open": "Opened",
    "delivery.accept": "Accepted",
    "delivery.decline": "Declined",
    "delivery.acknowledge": "Receipt confirmed",
    "delivery.revoke": "Taken back",
    "link.opened": "Link opened with its PIN",
    "link.refused": "Wrong PIN for a link",
    "link.renew": "New link made",
    "link.locked": "Link locked after wrong PINs",
    "study.search": "Studies looked up",
    "study.pull": "Pulled",
    "document.pull": "Document pulled",
    "study.view": "Viewed",
    "push.store": "Images stored",
}

# Events that concern one delivery: the recipient is named behind them.
ABOUT_ONE: Final = frozenset(
    {
        "delivery.open",
        "delivery.accept",
        "delivery.decline",
        "delivery.acknowledge",
        "delivery.revoke",
        "link.renew",
        "study.pull",
        "document.pull",
    }
)
# What a notice says, behind the name of who was told (transfers/notifying/letters.py).
NOTICES: Final = {
    "available": "it can be opened",
    "waiting": "it waits for acceptance",
    "re-opened": "it can be opened again",
    "renewed": "a new link",
    "withdrawn": "it was withdrawn",
    "rejected-instances": "some images are not to be used",
    "held": "held",
    "rejected": "nothing in it could be used",
    "lapsed": "its time is over",
    "declined": "it was declined",
    "undelivered": "a recipient could not be told",
    "locked": "a link is locked",
}
# Who did it, where nobody is named.
KINDS: Final = {"link": "the reader of a link", "system:operator": "the operator of this exchange"}


def notice(action: str, reader: str, about: str) -> str:
    """`General Hospital told: held`."""
    told = {
        "notice.sent": f"{reader} told",
        "notice.failed": f"{reader} could not be told",
        "notice.dropped": f"{reader} not told, for it was no longer so",
    }.get(action, f"{reader}: notice")
    return f"{told}: {about}" if about else told


def action(name: str) -> str:
    """An event of the trail in words; one that has none yet, by its name made readable."""
    return ACTIONS.get(name) or name.replace(".", ": ").replace("-", " ").capitalize()
