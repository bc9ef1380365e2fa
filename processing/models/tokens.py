"""Keys with which programs come in."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class Scope(models.TextChoices):
    """What a token may do."""

    READ = "read"
    WRITE = "write"
    QUEUE = "queue"  # steer the queue and see everybody's: of operators alone


class Token(models.Model):
    """A program's key to what its owner has. The secret is shown once, and kept as a keyed hash.

    A narrow one sees only the jobs that were made with it: it may lie in a web page.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=60)
    prefix = models.CharField(max_length=16, unique=True, help_text="Its visible beginning.")
    secret_hash = models.CharField(max_length=64)
    scopes = models.JSONField(help_text="Some of read, write, queue.")
    is_narrow = models.BooleanField(default=False, help_text="Sees only the jobs that were made with it.")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True, help_text="Last, to the minute.")
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["expires_at"], name="token_expires", condition=Q(expires_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
