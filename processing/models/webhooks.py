"""What is told to other programs: to whom, what, and what came of it."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from processing.models.jobs import Job


class SigningSecret(models.Model):
    """With which the callbacks of a person's jobs are signed. `whsec_` and base64, as Standard Webhooks has it."""

    owner = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+")
    secret = models.CharField(max_length=100)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"Signing secret of {self.owner}"


class EventType(models.TextChoices):
    """What is told, as CloudEvents-like names: the noun, then what became of it; and what it means, for people."""

    JOB_COMPLETED = "job.completed", "A job has ended, and there is a result"
    JOB_FAILED = "job.failed", "A job has ended without a result"
    JOB_CANCELLED = "job.cancelled", "A job was cancelled, all of it or in part"
    UPLOAD_COMPLETED = "upload.completed", "A photo is completed"
    UPLOAD_FAILED = "upload.failed", "A photo has failed"
    UPLOAD_NEEDS_REVIEW = "upload.needs_review", "A photo is completed, and somebody should look at it"


class Endpoint(models.Model):
    """An address of a person that is told of what happens to all of their jobs."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="endpoints")
    url = models.CharField(max_length=2048)
    types = models.JSONField(help_text="Of which event types it is told.")
    secret = models.CharField(max_length=100)
    old_secret = models.CharField(max_length=100, blank=True, help_text="The one before, which still signs too …")
    old_secret_until = models.DateTimeField(null=True, blank=True, help_text="… until then.")
    created_at = models.DateTimeField(default=timezone.now)
    paused_at = models.DateTimeField(null=True, blank=True, help_text="By its owner: what happens meanwhile is kept.")
    gone_at = models.DateTimeField(null=True, blank=True, help_text="When it answered 410: it is told nothing more.")

    def __str__(self) -> str:
        return self.url


class Callback(models.Model):
    """An address that is told once that one job has ended."""

    class Shape(models.TextChoices):
        """How it is told."""

        EVENT = "event"  # as every endpoint is
        PRODUCT_CSV = "product_csv"  # as that system does

    job = models.OneToOneField(Job, models.CASCADE, related_name="callback")
    url = models.CharField(max_length=2048)
    shape = models.CharField(max_length=20, choices=Shape.choices, default=Shape.EVENT)

    def __str__(self) -> str:
        return f"Callback of job {self.job_id}"


def _event_id() -> str:
    return f"msg_{uuid.uuid4().hex}"


class Event(models.Model):
    """The outbox: what has happened, written in the very transaction that made it true."""

    id = models.CharField(max_length=40, primary_key=True, default=_event_id, help_text="The webhook-id.")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    job = models.ForeignKey(Job, models.SET_NULL, null=True, related_name="+")
    type = models.CharField(max_length=40)
    body = models.TextField(help_text="JSON, the same bytes at every try.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="event_age")]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class Delivery(models.Model):
    """One event on its way to one address: an endpoint, or the callback of a job."""

    event = models.ForeignKey(Event, models.CASCADE, related_name="deliveries")
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, null=True, related_name="deliveries")
    callback = models.ForeignKey(Callback, models.CASCADE, null=True, related_name="deliveries")
    attempts = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(default=timezone.now)
    answer = models.CharField(max_length=200, blank=True, help_text="What came of the last attempt, for people.")
    delivered_at = models.DateTimeField(null=True, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(endpoint__isnull=False, callback__isnull=True)
                | Q(endpoint__isnull=True, callback__isnull=False),
                name="delivery_to_one",
            ),
            models.UniqueConstraint(fields=["event", "endpoint"], name="delivery_once"),
        ]
        indexes = [
            models.Index(
                fields=["not_before"], name="delivery_open", condition=Q(delivered_at=None) & Q(given_up_at=None)
            ),
            models.Index(fields=["endpoint", "-id"], name="delivery_log"),
            models.Index(
                fields=["endpoint", "-delivered_at"], name="delivery_heard", condition=Q(delivered_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"Delivery {self.pk} of {self.event_id}"


class Attempt(models.Model):
    """One try of a delivery, as the log shows it: what was sent, and what came back."""

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="tries")
    number = models.PositiveSmallIntegerField()
    at = models.DateTimeField(default=timezone.now)
    seconds = models.FloatField(default=0)
    url = models.CharField(max_length=2048)
    headers = models.JSONField(default=dict, help_text="Those that were sent.")
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="None where nothing came back.")
    answer_headers = models.JSONField(default=dict)
    answer_body = models.TextField(blank=True, help_text="Its first 2,000 characters.")
    error = models.CharField(max_length=200, blank=True, help_text="Why nothing came back.")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"Try {self.number} of delivery {self.delivery_id}"
