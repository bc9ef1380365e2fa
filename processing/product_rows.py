"""The rows of a product CSV as they stand: a row's state follows from its photos', and is never stored."""

from collections import Counter
from typing import Any

from django.db.models import Case, Count, F, Q, QuerySet, Value, When

from processing.models import Job, ProductRow, Status
from processing.models.jobs import ACTIVE

ENDED = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
HAS_PROBLEM = ~Q(problem_code="")
RUNS = Q(problem_code="", is_left_out=False, carried=None)  # what Start makes photos of


def with_state(rows: "QuerySet[ProductRow]") -> "QuerySet[ProductRow, Any]":
    """Each with its `state` once the CSV was started: that of an upload, but never `new`.

    What cannot run is failed, what was left out is cancelled, what an earlier run completed stays so.
    """
    counted = rows.annotate(
        photos_total=Count("row_photos"),
        photos_active=_count(*ACTIVE),
        photos_at_work=_count(Status.PROCESSING),
        photos_failed=_count(Status.FAILED),
        photos_cancelled=_count(Status.CANCELLED),
    )
    begun = Q(photos_at_work__gt=0) | Q(photos_active__lt=F("photos_total"))
    return counted.annotate(
        state=Case(
            When(is_left_out=True, then=Value(Status.CANCELLED)),
            When(carried__isnull=False, then=Value(Status.COMPLETED)),
            When(HAS_PROBLEM, then=Value(Status.FAILED)),
            When(begun, photos_active__gt=0, then=Value(Status.PROCESSING)),
            When(photos_active__gt=0, then=Value(Status.QUEUED)),
            When(photos_failed__gt=0, then=Value(Status.FAILED)),
            When(photos_cancelled__gt=0, then=Value(Status.CANCELLED)),
            default=Value(Status.COMPLETED),
        )
    )


def _count(*states: str) -> Count:
    return Count("row_photos", filter=Q(row_photos__upload__status__in=states))


def counts(job: Job) -> dict[str, int]:
    """How many rows there are in each state that rows have."""
    states = with_state(job.rows.order_by()).values_list("state", flat=True)  # type: ignore[misc]
    found = Counter(states)
    return {state: found[state] for state in (Status.QUEUED, Status.PROCESSING, *ENDED)}
