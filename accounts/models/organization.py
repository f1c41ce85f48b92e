"""Organisations, their departments, and the agreements between them."""

import re
from typing import Final
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q

GIB = 1 << 30

address_part = RegexValidator(
    r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$", "Use lower-case letters, digits and inner hyphens."
)
# AE titles: 1 to 16 characters of the default repertoire, no backslash (PS3.5 Section 6.2, VR AE).
ae_title = RegexValidator(r"^[!-\[\]-~](?:[ -\[\]-~]{0,14}[!-\[\]-~])?$", "1 to 16 printable characters.")
# As browsers write it (RFC 6454 Section 6.2): no path, no wildcard; without TLS only a program under development.
_HOST: Final = r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:]{2,39}\])"
_ORIGIN: Final = re.compile(rf"(?:https://{_HOST}|http://(?:localhost|127\.0\.0\.1|\[::1\]))(?::[1-9][0-9]{{0,4}})?")
MAX_ORIGINS: Final = 50


def validate_origins(value: object) -> None:
    """A list of origins in the spelling of browsers; raises ValidationError."""
    if not isinstance(value, list) or len(value) > MAX_ORIGINS:
        raise ValidationError(f"A list of at most {MAX_ORIGINS} origins.")
    for origin in value:
        if not isinstance(origin, str) or not _ORIGIN.fullmatch(origin) or origin.endswith((":443", ":80")):
            raise ValidationError(
                "An origin is https://host or https://host:port in lower case, without a path and without the usual "
                "port. http is for localhost only."
            )


def validate_time_zone(value: str) -> None:
    """A name of the IANA database, such as Europe/Berlin; raises ValidationError."""
    if value not in available_timezones():
        raise ValidationError("Choose a time zone by its full name, such as Europe/Berlin.")


class Organization(models.Model):
    """A site that sends and receives; `address` is what senders put into a URL."""

    name = models.CharField(max_length=200)
    address = models.CharField(max_length=63, unique=True, validators=[address_part])
    oid = models.CharField(max_length=64, blank=True)
    patient_id_issuer = models.CharField(max_length=200, blank=True)
    accession_issuer = models.CharField(max_length=200, blank=True)
    ae_title = models.CharField(max_length=16, unique=True, null=True, blank=True, validators=[ae_title])
    desk_phone = models.CharField(max_length=40, blank=True)
    notify_email = models.EmailField(blank=True)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    is_active = models.BooleanField(default=True)
    allowed_origins = models.JSONField(
        default=list,
        blank=True,
        validators=[validate_origins],
        help_text='Web pages that may ask by DICOMweb with a key of this organisation: ["https://viewer.example.org"].',
    )

    max_bytes = models.BigIntegerField(default=500 * GIB)
    max_instances = models.BigIntegerField(default=2_000_000)
    max_open_transfers = models.IntegerField(default=10_000)
    quota_warned = models.SmallIntegerField(default=0, editable=False)

    retention_days = models.PositiveSmallIntegerField(default=30)
    retention_ceiling_days = models.PositiveSmallIntegerField(default=180)
    grace_days = models.PositiveSmallIntegerField(default=14)
    close_when_fulfilled = models.BooleanField(default=False)

    quiet_stow_seconds = models.PositiveIntegerField(default=60)
    quiet_dimse_seconds = models.PositiveIntegerField(default=300)
    quiet_cut_seconds = models.PositiveIntegerField(default=1800)

    class Meta:
        ordering = ["name"]
        verbose_name = "organisation"
        constraints = [
            models.CheckConstraint(
                condition=Q(retention_days__lte=F("retention_ceiling_days")),
                name="retention_within_ceiling",
                violation_error_message="The usual days of availability exceed the longest.",
            ),
            models.CheckConstraint(
                condition=Q(retention_ceiling_days__lte=180),
                name="ceiling_within_180_days",
                violation_error_message="Nothing is available for more than 180 days.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Department(models.Model):
    """A part of an organisation with an inbox of its own: `general-hospital.radiology`."""

    organization = models.ForeignKey(
        Organization, models.CASCADE, related_name="departments", verbose_name="organisation"
    )
    slug = models.CharField(max_length=63, validators=[address_part])
    name = models.CharField(max_length=200)
    ae_title = models.CharField(max_length=16, unique=True, null=True, blank=True, validators=[ae_title])
    desk_phone = models.CharField(max_length=40, blank=True)
    notify_email = models.EmailField(blank=True)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["organization__name", "name"]
        constraints = [models.UniqueConstraint(fields=["organization", "slug"], name="department_slug_unique")]

    def __str__(self) -> str:
        return f"{self.organization.name}, {self.name}"

    @property
    def address(self) -> str:
        return f"{self.organization.address}.{self.slug}"


class Partnership(models.Model):
    """What one organisation may send to another, and how."""

    class State(models.TextChoices):
        PROPOSED = "proposed"
        ACCEPTED = "accepted"
        SUSPENDED = "suspended"

    sender = models.ForeignKey(Organization, models.CASCADE, related_name="partnerships_out")
    recipient = models.ForeignKey(Organization, models.CASCADE, related_name="partnerships_in")
    state = models.CharField(max_length=12, choices=State, default=State.PROPOSED)
    expires_at = models.DateTimeField(null=True, blank=True)
    auto_accept = models.BooleanField(default=True)
    retention_days = models.PositiveSmallIntegerField(null=True, blank=True)
    link_factor = models.CharField(max_length=16, default="pin")
    roads = models.JSONField(default=list, blank=True, help_text="Roads allowed for pulling; empty means all.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sender", "recipient"], name="partnership_unique"),
            models.CheckConstraint(
                condition=~Q(sender=F("recipient")),
                name="partnership_of_two",
                violation_error_message="Sender and recipient are the same.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sender.name} to {self.recipient.name}"
