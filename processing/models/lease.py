"""Roles that only one process may have at a time."""

from datetime import timedelta

from django.db import IntegrityError, models
from django.db.models import Q
from django.utils import timezone

DISPATCHING = "dispatcher"  # feeds the queues
FETCHING = "fetching"  # claims photos that are to be fetched from their addresses
DELIVERING = "delivering"  # tells other programs what has happened


class Lease(models.Model):
    """Who holds a role that only one process may have, and until when."""

    name = models.CharField(max_length=40, primary_key=True)
    holder = models.CharField(max_length=100)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"


def hold(role: str, holder: str, seconds: float) -> bool:
    """Take or keep a role for so long: one row, one conditional UPDATE. False while another holds it."""
    now = timezone.now()
    until = now + timedelta(seconds=seconds)
    rows = Lease.objects.filter(Q(holder=holder) | Q(until__lt=now), name=role)
    if rows.update(holder=holder, until=until):
        return True
    try:
        _, made = Lease.objects.get_or_create(name=role, defaults={"holder": holder, "until": until})
    except IntegrityError:
        return False
    return made


def let_go(role: str, holder: str) -> None:
    Lease.objects.filter(name=role, holder=holder).delete()


def is_held(role: str) -> bool:
    return Lease.objects.filter(name=role, until__gte=timezone.now()).exists()
