"""Who: organisations, their people and machines, their agreements, and the trail they leave."""

from accounts.models.audit import AuditEvent, AuditSegment
from accounts.models.key import AccessToken, ApiKey
from accounts.models.organization import Department, Organization, Partnership
from accounts.models.user import Membership, User

__all__ = [
    "AccessToken",
    "ApiKey",
    "AuditEvent",
    "AuditSegment",
    "Department",
    "Membership",
    "Organization",
    "Partnership",
    "User",
]
