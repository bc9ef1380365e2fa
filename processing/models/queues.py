"""What operators decide about the queue."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from processing.models.jobs import Job

QUEUE = "photos"  # the key of the pause of the whole queue


class Pause(models.Model):
    """While it is there, no further photo of the queue, of one person or of one job is begun; what the workers have in
    hand goes on. One that drains holds only what was queued after it."""

    key = models.CharField(max_length=40, primary_key=True, help_text="photos, person-7 or job-412.")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+")
    job = models.ForeignKey(Job, models.CASCADE, null=True, blank=True, related_name="+")
    drains = models.BooleanField(default=False)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        permissions = [
            ("pause_queue", "Can pause, resume and drain the queue"),
            ("set_workers", "Can set how many workers are at work"),
        ]

    def __str__(self) -> str:
        return f"{self.key} paused since {self.since}"


class Crew(models.Model):
    """How many workers of a queue are to be at work, where an operator has said so."""

    queue = models.CharField(max_length=20, primary_key=True)
    size = models.PositiveSmallIntegerField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    since = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.size} workers of {self.queue}"


class Breaker(models.Model):
    """Something that the house depends on, and whether it is left alone as it does not answer."""

    class State(models.TextChoices):
        CLOSED = "closed"
        OPEN = "open"
        HALF_OPEN = "half open"

    name = models.CharField(max_length=300, primary_key=True, help_text="storage, fetch:host, model:name, hooks:host.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.CLOSED)
    failures = models.PositiveIntegerField(default=0, help_text="In a row, within the window.")
    first_failure_at = models.DateTimeField(null=True, blank=True)
    last_failure_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True, help_text="The sentence of the last failure.")
    opened_at = models.DateTimeField(null=True, blank=True)
    probe_at = models.DateTimeField(null=True, blank=True, help_text="When one is let through to see.")
    probe = models.BigIntegerField(null=True, blank=True, help_text="The id of the one that is let through.")
    tripped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+",
        help_text="The operator who opened it; it stays open until it is reset.",
    )  # fmt: skip

    class Meta:
        permissions = [("trip_breaker", "Can trip breakers"), ("reset_breaker", "Can reset breakers")]
        indexes = [models.Index(fields=["state"], name="breaker_open", condition=~Q(state="closed"))]

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"

    @property
    def is_due(self) -> bool:
        """Whether it is time to let one through."""
        return self.probe_at is not None and self.probe_at <= timezone.now()


class BulkAct(models.Model):
    """What an operator asked for of all photos that match; `io` does it a handful at a time."""

    class Verb(models.TextChoices):
        RETRY = "retry"
        CANCEL = "cancel"
        DELETE = "delete"

    verb = models.CharField(max_length=10, choices=Verb.choices)
    query = models.CharField(max_length=1000, help_text="The filter, as it stands in the address.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, help_text="What came to match later is not touched.")
    matched = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    cursor = models.BigIntegerField(default=0, help_text="The id of the last photo that was looked at.")
    per_minute = models.PositiveIntegerField(null=True, blank=True)
    paced_to = models.DateTimeField(null=True, blank=True, help_text="What is done has used its rate up to then.")
    ended_at = models.DateTimeField(null=True, blank=True)
    stopped_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["id"], name="bulk_open", condition=Q(ended_at=None))]

    def __str__(self) -> str:
        return f"{self.verb} {self.query or 'everything'}"


class Milestone(models.Model):
    """Something that is done once in the life of a house, as after an upgrade."""

    name = models.CharField(max_length=60, primary_key=True)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name


class Remembered(models.Model):
    """What a house that is spread over several machines must have in common, such as its secret key."""

    name = models.CharField(max_length=60, primary_key=True)
    value = models.CharField(max_length=2000)

    def __str__(self) -> str:
        return self.name  # never the value
