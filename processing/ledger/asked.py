"""What people ask for."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from processing import outbox
from processing.errors import PhotoError
from processing.ledger.rows import FRESH, NO_CLAIM, NO_STEP, STANDS, change, error_values, put_back, watched
from processing.models import Status, Upload
from processing.models.jobs import ACTIVE, Verdict
from processing.recipe import Recipe


def cancel(uploads: "QuerySet[Upload]") -> int:
    """new, queued, processing → cancelled; a running attempt loses its claim. Gives the number of rows.

    A photo that was to be redone is completed again, as it was.
    """
    error = error_values(PhotoError("cancelled"))
    active = uploads.filter(status__in=ACTIVE).order_by()
    with watched(active):
        held = outbox.hold_all(active.values_list("job_id", flat=True))
        count = put_back(active) + change(
            active.exclude(STANDS), status=Status.CANCELLED, finished_at=timezone.now(), not_before=None,
            **NO_CLAIM, **NO_STEP, **error,
        )  # fmt: skip
        for job in held:
            outbox.ended(job)
        return count


def retry(uploads: "QuerySet[Upload]") -> int:
    """failed, cancelled → queued (or new, where the source never came), attempts begun anew. Gives the number."""
    ended = uploads.filter(status__in=[Status.FAILED, Status.CANCELLED])
    with watched(ended):
        count = _again(ended.exclude(source=""), finished_at=None)
        lost = ended.filter(source="").exclude(archive=None, url="").order_by()
        lost = lost.exclude(url="", source_removed_at__isnull=False)
        return count + change(lost, status=Status.NEW, queued_at=timezone.now(), finished_at=None, **FRESH)


def redo(uploads: "QuerySet[Upload]", recipe: Recipe, verdict: str = "") -> int:
    """Those that are in the house → queued with a recipe of their own; a running attempt loses its claim.

    The old result stays until the new one is in place. Gives the number of rows.
    """
    here = uploads.exclude(source="")
    with watched(here):
        return _again(here, recipe=recipe.to_json(), verdict=verdict)


def judge(uploads: "QuerySet[Upload]", *, accepted: bool) -> int:
    """completed: a flag is taken away by accepting the result, and put back. Gives the number of rows."""
    rows = uploads.filter(status=Status.COMPLETED)
    with watched(rows):
        if accepted:
            return change(rows.filter(needs_review=True), needs_review=False, verdict=Verdict.ACCEPTED)
        return change(rows.filter(verdict=Verdict.ACCEPTED), needs_review=True, verdict="")


def _again(uploads: "QuerySet[Upload]", **values: Any) -> int:
    return change(uploads.order_by(), status=Status.QUEUED, queued_at=timezone.now(), **FRESH, **values)
