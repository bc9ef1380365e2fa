"""What operators decide about the queue."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class Pause(models.Model):
    """While it is there, no further photo is given to the workers; what they have in hand goes on."""

    queue = models.CharField(max_length=20, primary_key=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    since = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.queue} paused since {self.since}"
