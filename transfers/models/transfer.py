"""A transfer, the row that gathers pushes into it, and the pushes that are running."""

import uuid

from django.db import models

from accounts.models import Department, Organization, User
from transfers.rules.lifecycle import Reason, State
from transfers.rules.purposes import Purpose


class Transfer(models.Model):
    """One study or more of one patient, on its way from one organisation to its recipients.

    `reference` can be said on the phone. `wrapped_key` opens everything sealed; without it nothing does.
    `available_until` closes access by the clock, `purge_at` destroys.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    reference = models.CharField(max_length=12, unique=True)
    sender = models.ForeignKey(Organization, models.PROTECT, related_name="transfers")
    sender_department = models.ForeignKey(Department, models.SET_NULL, null=True, related_name="transfers")
    sender_user = models.ForeignKey(User, models.SET_NULL, null=True, related_name="transfers")
    principal = models.CharField(max_length=80)
    on_behalf_of = models.CharField(max_length=80, blank=True)

    state = models.CharField(max_length=12, choices=[(s, s) for s in State])
    reason = models.CharField(max_length=12, blank=True, default=Reason.NONE)
    state_changed_at = models.DateTimeField()
    revision = models.IntegerField(default=1)

    purpose = models.CharField(max_length=20, blank=True, choices=[(p, p) for p in Purpose])
    urgency = models.CharField(max_length=10, default="routine")
    content = models.CharField(max_length=10, default="complete")
    message_record = models.BinaryField(null=True)
    # How many will come in all; where DeclaredInstance rows name them, how many these are.
    declared_instances = models.IntegerField(null=True)
    finalise_requested = models.BooleanField(default=False)
    # How the end of pushing was known: explicit, declared, commitment or quiet.
    finalised_by = models.CharField(max_length=12, blank=True)
    follows = models.ForeignKey("self", models.SET_NULL, null=True, related_name="followers")

    wrapped_key = models.BinaryField(null=True)
    day_key_id = models.CharField(max_length=64, blank=True)
    patient_hash = models.BinaryField(null=True)

    instance_count = models.IntegerField(default=0)
    study_count = models.IntegerField(default=0)
    byte_count = models.BigIntegerField(default=0)
    # Sealed bytes held in storage, superseded stretches included: what a quota counts.
    stored_bytes = models.BigIntegerField(default=0)
    last_byte_at = models.DateTimeField(null=True)
    # When somebody last changed what is said of it: with the last byte, what a draft is idle since.
    touched_at = models.DateTimeField(null=True)
    quiet_until = models.DateTimeField(null=True)

    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    available_at = models.DateTimeField(null=True)
    available_until = models.DateTimeField()
    grace = models.DurationField()
    purge_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    close_when_fulfilled = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(fields=["sender", "-created_at"], name="transfer_sender"),
            models.Index(
                fields=["available_until"],
                condition=models.Q(state__in=["available", "held", "receiving", "validating"]),
                name="transfer_lapse",
            ),
            models.Index(
                fields=["purge_at"],
                condition=models.Q(state__in=["draft", "closed", "rejected"]),
                name="transfer_purge",
            ),
            # Not over `quiet_until`: each push moves it, and would then have to write into every index.
            models.Index(fields=["created_at"], condition=models.Q(state="receiving"), name="transfer_receiving"),
            models.Index(
                fields=["day_key_id"],
                condition=models.Q(wrapped_key__isnull=False),
                name="transfer_live_wraps",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(purge_at__gte=models.F("available_until")), name="purge_after_lapse"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="purged") | models.Q(wrapped_key__isnull=True),
                name="purged_has_no_key",
            ),
            # A plain column: no text that somebody typed may ever stand in it.
            models.CheckConstraint(
                condition=models.Q(purpose__in=["", *(p.value for p in Purpose)]), name="purpose_is_coded"
            ),
        ]

    def __str__(self) -> str:
        return self.reference


class Intake(models.Model):
    """While it lives, pushes of one study by one sender to one address are one transfer.

    `address` is empty for a draft that will be addressed later.
    """

    sender = models.ForeignKey(Organization, models.CASCADE)
    address = models.CharField(max_length=127, blank=True)
    study_instance_uid = models.CharField(max_length=64)
    transfer = models.ForeignKey(Transfer, models.CASCADE, related_name="intakes")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sender", "address", "study_instance_uid"], name="intake_unique")
        ]

    def __str__(self) -> str:
        return f"intake {self.pk}"


class Lease(models.Model):
    """A push or pull in flight; a live push lease keeps its transfer from being finalised."""

    transfer = models.ForeignKey(Transfer, models.CASCADE, related_name="leases")
    kind = models.CharField(max_length=4, choices=[("push", "push"), ("pull", "pull")])
    # The link whose place a pull holds.
    grant = models.ForeignKey("transfers.Grant", models.CASCADE, null=True, related_name="leases")
    principal = models.CharField(max_length=80)
    byte_count = models.BigIntegerField(default=0)
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["principal", "heartbeat_at"], name="lease_principal")]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class IdempotencyKey(models.Model):
    """The answer that was given to a POST with this Idempotency-Key, sealed, for a repetition."""

    principal = models.CharField(max_length=80)
    key_digest = models.BinaryField(max_length=32)
    request_digest = models.BinaryField(max_length=32)
    transfer = models.ForeignKey(Transfer, models.CASCADE, null=True)
    status = models.PositiveSmallIntegerField(null=True)
    answer_record = models.BinaryField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["principal", "key_digest"], name="idempotency_unique")]

    def __str__(self) -> str:
        return f"key {self.pk}"
