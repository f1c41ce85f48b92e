"""The queue of record, what was sent to people, and the operator's switches."""

from django.db import models

from accounts.models import Organization
from transfers.models.delivery import Delivery
from transfers.models.transfer import Transfer


class Job(models.Model):
    """One thing to do, written with the fact that calls for it; the broker only rings with its id.

    `row` is the primary key of what it is about, as text. A worker claims by conditional update with a fresh
    `token`, counts the attempt before it acts, and marks only with its token.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        DEAD = "dead"

    event = models.CharField(max_length=40)
    row = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    due_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=16)
    token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    rung_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(state__in=["waiting", "running"]), name="job_due"),
            models.Index(fields=["row"], name="job_row"),
        ]
        constraints = [
            # The same thing waits only once: an event that comes again meets the job that is not yet running.
            models.UniqueConstraint(
                fields=["event", "row"], condition=models.Q(state="waiting"), name="job_waiting_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.event}, {self.pk}"


class Notification(models.Model):
    """One message for one reader about one event; its Message-ID is made once, so a repeat is recognisable.

    `audience` is recipient, sender or desk; admin (of an organisation) and operator where no transfer is meant.
    """

    transfer = models.ForeignKey(Transfer, models.CASCADE, null=True, related_name="notifications")
    organization = models.ForeignKey(Organization, models.CASCADE, null=True, related_name="notifications")
    delivery = models.ForeignKey(Delivery, models.CASCADE, null=True, related_name="notifications")
    event = models.CharField(max_length=40)
    audience = models.CharField(max_length=10)
    message_id = models.CharField(max_length=120, unique=True)
    state = models.CharField(max_length=8, default="pending")  # pending, sent, failed, dropped
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    # What only the mail itself may say (a link's secret), sealed until it is sent.
    secret_record = models.BinaryField(null=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["transfer", "organization", "delivery", "event", "audience"],
                name="notification_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.event}, {self.pk}"


class Switch(models.Model):
    """Maintenance, and the purge brake: set by a command or an alarm, read at every request or sweep."""

    name = models.CharField(max_length=40, primary_key=True)
    is_on = models.BooleanField(default=False)
    note = models.CharField(max_length=300, blank=True)
    since = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "switches"

    def __str__(self) -> str:
        return self.name
