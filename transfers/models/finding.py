"""What validation has to say about a transfer, in words a clerk understands."""

from django.db import models

from transfers.models.content import Instance
from transfers.models.transfer import Transfer


class Finding(models.Model):
    """`code` names a row of rules/conformance.py; the sentence may name the patient and is sealed."""

    transfer = models.ForeignKey(Transfer, models.CASCADE, related_name="findings")
    instance = models.ForeignKey(Instance, models.CASCADE, null=True, related_name="findings")
    code = models.CharField(max_length=40)
    grade = models.CharField(max_length=6, choices=[("stop", "stop"), ("check", "check"), ("note", "note")])
    record = models.BinaryField(null=True)
    count = models.IntegerField(default=1)
    created_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True)
    released_by = models.CharField(max_length=80, blank=True)
    release_record = models.BinaryField(null=True)

    class Meta:
        indexes = [models.Index(fields=["transfer", "grade"], name="finding_transfer")]
