from django.conf import settings
from django.db import models
from django.utils import timezone


class Invitation(models.Model):
    """A link with which one person can make an account. The token is kept as a hash; the link is shown once."""

    token_hash = models.CharField(max_length=64, unique=True)
    note = models.CharField(max_length=100, blank=True, help_text="Whom it is for.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    used_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")

    def __str__(self) -> str:
        return self.note or f"Invitation {self.pk}"


class Allowance(models.Model):
    """How much one person may send; where a field is empty, the house's own limit holds, and 0 is no limit."""

    owner = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="allowance")
    photos_a_day = models.PositiveIntegerField(null=True, blank=True)
    stored_mb = models.PositiveIntegerField("stored, in MB", null=True, blank=True)
    photos_in_flight = models.PositiveIntegerField(
        null=True, blank=True, help_text="Photos that wait or run at one time."
    )

    class Meta:
        verbose_name = verbose_name_plural = "limits"

    def __str__(self) -> str:
        return f"Limits of {self.owner}"


class Tally(models.Model):
    """What became of one person's photos on one day; it outlives the photos."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    day = models.DateField()
    jobs = models.PositiveIntegerField(default=0)
    photos = models.PositiveIntegerField(default=0, help_text="That were sent.")
    completed = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    bytes_before = models.PositiveBigIntegerField(default=0)
    bytes_after = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "day"], name="tally_once")]
        indexes = [models.Index(fields=["day"], name="tally_day")]

    def __str__(self) -> str:
        return f"{self.owner} on {self.day}"
