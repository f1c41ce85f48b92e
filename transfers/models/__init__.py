"""The matter: transfers, what they hold, whom they reach, and what remains of them."""

from transfers.models.afterlife import Destruction, Disclosure, Tombstone
from transfers.models.commitment import Commitment
from transfers.models.content import DeclaredInstance, Document, Instance, Pack, Series, Study
from transfers.models.delivery import Delivery, Grant, PullRecord
from transfers.models.finding import Finding
from transfers.models.job import Job, Notification, Switch
from transfers.models.transfer import IdempotencyKey, Intake, Lease, Transfer

__all__ = [
    "Commitment",
    "DeclaredInstance",
    "Delivery",
    "Destruction",
    "Disclosure",
    "Document",
    "Finding",
    "Grant",
    "IdempotencyKey",
    "Instance",
    "Intake",
    "Job",
    "Lease",
    "Notification",
    "Pack",
    "PullRecord",
    "Series",
    "Study",
    "Switch",
    "Tombstone",
    "Transfer",
]
