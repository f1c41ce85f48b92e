"""What validation has to say about a transfer, in words a clerk understands."""

from django.db import models

from transfers.models.content import Instance
from transfers.models.delivery import Delivery
from transfers.models.transfer import Transfer


class Finding(models.Model):
    """`code` names a row of rules/findings.py; the sentence may name the patient and is sealed.

    One with a delivery is for that recipient alone: neither the sender nor another recipient is told of it.
    """

    transfer = models.ForeignKey(Transfer, models.CASCADE, related_name="findings")
    instance = models.ForeignKey(Instance, models.CASCADE, null=True, related_name="findings")
    delivery = models.ForeignKey(Delivery, models.CASCADE, null=True, related_name="findings")
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

    def __str__(self) -> str:
        return f"{self.code}, {self.pk}"

    @property
    def sealed_row(self) -> str:
        """What its sealed records are bound to."""
        if self.delivery_id is not None:
            return f"{self.code}:delivery:{self.delivery_id}"
        return f"{self.code}:{self.instance.sop_instance_uid if self.instance else ''}"
