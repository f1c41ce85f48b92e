"""What stays when a transfer is gone: that it was, who got it, and that it was destroyed.

Nothing here refers to a transfer by foreign key, for the transfer's other rows go. Patient ID and accession are
kept as keyed hashes under the register key, so that "who got this patient's study in March?" can be answered
by someone who knows the identifiers, and by nobody else.
"""

from django.db import models

from accounts.models import Organization


class Tombstone(models.Model):
    transfer_id = models.UUIDField(primary_key=True)
    reference = models.CharField(max_length=12, db_index=True)
    sender = models.ForeignKey(Organization, models.PROTECT, related_name="tombstones")
    reason = models.CharField(max_length=12)
    study_count = models.IntegerField()
    instance_count = models.IntegerField()
    byte_count = models.BigIntegerField()
    created_at = models.DateTimeField()
    available_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    purged_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.reference


class Destruction(models.Model):
    """Three times: closed, live wrap removed, day key destroyed. Only the last holds against backups."""

    transfer_id = models.UUIDField(unique=True)
    sender = models.ForeignKey(Organization, models.PROTECT, related_name="destructions")
    closed_at = models.DateTimeField(null=True)
    wrap_removed_at = models.DateTimeField()
    objects_total = models.IntegerField(default=0)
    objects_deleted_at = models.DateTimeField(null=True)
    day_key_id = models.CharField(max_length=64, db_index=True)
    day_key_destroyed_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=12, default="scheduled")  # scheduled, best effort, verified

    def __str__(self) -> str:
        return str(self.transfer_id)


class Disclosure(models.Model):
    """One delivery as it stood when its transfer closed, kept for the register of disclosures."""

    transfer_id = models.UUIDField(db_index=True)
    reference = models.CharField(max_length=12)
    sender = models.ForeignKey(Organization, models.PROTECT, related_name="disclosures")
    recipient = models.CharField(max_length=80)  # organization:3, department:7, user:12, email:<keyed hash>
    patient_hash = models.BinaryField(null=True)
    accession_hash = models.BinaryField(null=True)
    sent_at = models.DateTimeField(null=True)
    first_pulled_at = models.DateTimeField(null=True)
    progress = models.CharField(max_length=14)
    pulled_instances = models.IntegerField(default=0)
    instance_count = models.IntegerField(default=0)
    closed_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["patient_hash"], name="disclosure_patient"),
            models.Index(fields=["accession_hash"], name="disclosure_accession"),
        ]

    def __str__(self) -> str:
        return f"{self.reference} to {self.recipient}"
