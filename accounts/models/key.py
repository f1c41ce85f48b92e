"""Machine credentials: only keyed hashes are kept, the secret is shown once."""

from django.db import models

from accounts.models.organization import Department, Organization
from accounts.models.user import User


class ApiKey(models.Model):
    """A site key; `scopes` holds any of store, read, manage."""

    public_id = models.CharField(max_length=24, unique=True)
    digest = models.BinaryField(max_length=32)
    name = models.CharField(max_length=100)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="keys", verbose_name="organisation")
    department = models.ForeignKey(Department, models.CASCADE, null=True, blank=True, related_name="keys")
    owner = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="keys")
    scopes = models.JSONField(default=list)
    # What a key may be bound to belongs to transfers; here it is an opaque id.
    bound_to = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.public_id}, {self.name}"


class AccessToken(models.Model):
    """What /oauth/token gives for a key: opaque, at most ten minutes, dies with its key."""

    key = models.ForeignKey(ApiKey, models.CASCADE, related_name="tokens")
    digest = models.BinaryField(max_length=32, unique=True)
    expires_at = models.DateTimeField(db_index=True)
