"""What became of a person's photos, day by day; written in the transaction that made it true, and kept when the photos
are deleted.

A photo counts in `photos` on the day it came, in `completed` once, on the day its first result was there (with its
bytes before and after), and in `failed` each time it ended so: one that failed, was retried and completed is in both.
A redo adds its `attempts` and nothing else. What was cancelled or still waits is in none but `photos`.
"""

from django.db.models import F
from django.utils import timezone

from processing.models import Tally


def add(owner_id: int, **amounts: int) -> None:
    """Add to today's row: jobs, photos, completed, failed, attempts, bytes_before, bytes_after.

    Must run in a transaction, after whatever else that locks, so that nobody waits in a circle.
    """
    day = timezone.localdate()
    row = Tally.objects.filter(owner_id=owner_id, day=day)
    more = {name: F(name) + amount for name, amount in amounts.items()}
    if not row.update(**more):
        Tally.objects.bulk_create([Tally(owner_id=owner_id, day=day)], ignore_conflicts=True)
        row.update(**more)
