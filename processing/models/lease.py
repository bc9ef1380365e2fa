"""Roles that only one process may have at a time."""

from datetime import timedelta

from django.db import models
from django.db.models import ExpressionWrapper, Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

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


def from_now(seconds: float) -> Combinable:
    """A moment by the database's own clock, as that of a machine may be wrong."""
    return ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=models.DateTimeField())


def hold(role: str, holder: str, seconds: float) -> bool:
    """Take or keep a role for so long: one row, one conditional UPDATE. False while another holds it."""
    rows = Lease.objects.filter(Q(holder=holder) | Q(until__lt=Now()), name=role)
    if rows.update(holder=holder, until=from_now(seconds)):
        return True
    made = Lease(name=role, holder=holder, until=from_now(-1))  # over at once, so that one row decides here too
    Lease.objects.bulk_create([made], ignore_conflicts=True)
    return bool(rows.update(holder=holder, until=from_now(seconds)))


def let_go(role: str, holder: str) -> None:
    Lease.objects.filter(name=role, holder=holder).delete()


def is_held(role: str) -> bool:
    return Lease.objects.filter(name=role, until__gte=Now()).exists()
