"""The audit trail: rows written with the fact, sealed into signed segments afterwards."""

from django.db import models

from accounts.models.organization import Organization


class AuditSegment(models.Model):
    """A run of events of one organisation, chained to the segment before it and signed.

    A pruned trail still verifies from the oldest segment that is kept, because each carries the digest of
    its predecessor under the signature.
    """

    organization = models.ForeignKey(Organization, models.PROTECT, null=True, related_name="audit_segments")
    number = models.BigIntegerField()
    event_count = models.IntegerField()
    previous_digest = models.BinaryField(max_length=32)
    digest = models.BinaryField(max_length=32)
    signature = models.BinaryField(max_length=64)
    sealed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "number"], name="audit_segment_unique", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"segment {self.number}"


class AuditEvent(models.Model):
    """Who did what to which thing; ids, counts, digests and times, never patient data."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    organization = models.ForeignKey(Organization, models.PROTECT, null=True, related_name="audit_events")
    action = models.CharField(max_length=64)
    principal = models.CharField(max_length=80)
    agent = models.CharField(max_length=80, blank=True)
    subject = models.CharField(max_length=120, blank=True)
    detail = models.JSONField(default=dict)
    segment = models.ForeignKey(AuditSegment, models.PROTECT, null=True, related_name="events")
    position = models.IntegerField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["subject", "id"], name="audit_subject"),
            models.Index(fields=["id"], condition=models.Q(segment__isnull=True), name="audit_unsealed"),
        ]
        constraints = [models.UniqueConstraint(fields=["segment", "position"], name="audit_position_unique")]

    def __str__(self) -> str:
        return f"{self.action}, {self.pk}"
