"""What is told to other programs, and the secrets that it is signed with."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from processing.models.jobs import Job


class SigningSecret(models.Model):
    """With which everything is signed that goes out for a person. `whsec_` and base64, as Standard Webhooks has it."""

    owner = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+")
    secret = models.CharField(max_length=100)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"Signing secret of {self.owner}"


class Callback(models.Model):
    """An address that is told once that a job has ended."""

    job = models.OneToOneField(Job, models.CASCADE, related_name="callback")
    url = models.CharField(max_length=2048)
    attempts = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(max_length=200, blank=True, help_text="What came of the last attempt, for people.")
    delivered_at = models.DateTimeField(null=True, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["not_before"], name="callback_open", condition=Q(delivered_at=None) & Q(given_up_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"Callback of job {self.job_id}"
