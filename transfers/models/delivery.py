"""Whom a transfer reaches, by which link, and what was answered to whom."""

from django.db import models
from django.db.models import Q

from accounts.models import Department, Organization, User
from transfers.models.content import Document, Instance
from transfers.models.transfer import Transfer
from transfers.rules.lifecycle import Access, Notice, Progress


class Delivery(models.Model):
    """One transfer for one recipient: an organisation, a department, a user, or a bare e-mail address.

    Access, notice and progress are independent; a state is true only if the other side's answer said so.
    """

    transfer = models.ForeignKey(Transfer, models.CASCADE, related_name="deliveries")
    organization = models.ForeignKey(Organization, models.PROTECT, null=True, related_name="deliveries")
    department = models.ForeignKey(Department, models.PROTECT, null=True, related_name="deliveries")
    user = models.ForeignKey(User, models.PROTECT, null=True, related_name="deliveries")
    # An address without an account: sealed, and found again by a keyed hash under the register key.
    email_record = models.BinaryField(null=True)
    email_hash = models.BinaryField(null=True)

    access = models.CharField(max_length=10, choices=[(a, a) for a in Access])
    notice = models.CharField(max_length=10, choices=[(n, n) for n in Notice], default=Notice.PENDING)
    progress = models.CharField(max_length=14, choices=[(p, p) for p in Progress], default=Progress.NONE)
    was_open = models.BooleanField(default=False)
    decline_record = models.BinaryField(null=True)

    created_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)
    pulled_at = models.DateTimeField(null=True)
    proven_at = models.DateTimeField(null=True)
    proven_by = models.CharField(max_length=80, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(fields=["organization", "department"], name="delivery_place"),
            models.Index(fields=["user"], name="delivery_user"),
        ]
        constraints = [
            models.CheckConstraint(
                name="delivery_one_recipient",
                condition=(
                    Q(organization__isnull=False, user__isnull=True, email_hash__isnull=True)
                    | Q(
                        organization__isnull=True,
                        department__isnull=True,
                        user__isnull=False,
                        email_hash__isnull=True,
                    )
                    | Q(
                        organization__isnull=True,
                        department__isnull=True,
                        user__isnull=True,
                        email_hash__isnull=False,
                    )
                ),
            ),
            models.UniqueConstraint(
                fields=["transfer", "organization", "department", "user", "email_hash"],
                name="delivery_unique",
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk}"

    @property
    def register_name(self) -> str:
        """How the register of disclosures names the recipient: `organization:3`, `email:<keyed hash>` and so on."""
        if self.email_hash is not None:
            return f"email:{bytes(self.email_hash).hex()}"
        if self.user_id is not None:
            return f"user:{self.user_id}"
        if self.department_id is not None:
            return f"department:{self.department_id}"
        return f"organization:{self.organization_id}"


class Grant(models.Model):
    """A link for one recipient: secret and second factor as keyed hashes, counters moved by conditional update."""

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="grants")
    token_digest = models.BinaryField(max_length=32, unique=True)
    factor = models.CharField(max_length=8, default="pin")
    pin_digest = models.BinaryField(max_length=32, null=True)
    verbs = models.JSONField(default=list)  # view, download, forward
    attempts = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=5)
    locked_at = models.DateTimeField(null=True)
    max_pulls = models.PositiveIntegerField(null=True)
    pulls_done = models.PositiveIntegerField(default=0)
    # What pulls got that did not reach their end, since the last that did: 1 is a whole.
    share_pulled = models.FloatField(default=0, db_default=0)
    created_at = models.DateTimeField()
    verified_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"link {self.pk}"


class PullRecord(models.Model):
    """What was answered for one instance or document of one delivery: pulled, viewed or proven."""

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="pull_records")
    instance = models.ForeignKey(Instance, models.CASCADE, null=True, related_name="pull_records")
    document = models.ForeignKey(Document, models.CASCADE, null=True, related_name="pull_records")
    kind = models.CharField(max_length=8, choices=[("pulled", "pulled"), ("viewed", "viewed"), ("proven", "proven")])
    road = models.CharField(max_length=12)  # dicomweb, zip, viewer, dimse
    principal = models.CharField(max_length=80)
    count = models.IntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["delivery", "instance", "document", "kind"],
                name="pull_record_unique",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(instance__isnull=True) ^ Q(document__isnull=True), name="pull_record_of_one"
            ),
        ]

    def __str__(self) -> str:
        return f"pull {self.pk}"
