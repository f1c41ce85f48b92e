"""What was answered to a request for storage commitment: UIDs, Failure Reasons and a time, for a week."""

from django.db import models


class Commitment(models.Model):
    principal = models.CharField(max_length=80)
    transaction_uid = models.CharField(max_length=64)
    answer = models.JSONField()
    kept_until = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["principal", "transaction_uid"], name="commitment_unique")]

    def __str__(self) -> str:
        return f"commitment {self.pk}"
