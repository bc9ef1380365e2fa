"""What people ask for."""

from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from processing import outbox, storage
from processing.errors import PhotoError
from processing.ledger import record
from processing.ledger.rows import (
    FRESH,
    NO_CLAIM,
    NO_STEP,
    STANDS,
    change,
    error_values,
    needed_originals,
    put_back,
    watched,
)
from processing.models import Job, Status, Upload, Variant
from processing.models.jobs import ACTIVE, Verdict
from processing.recipe import Recipe


def cancel(uploads: "QuerySet[Upload]") -> int:
    """new, queued, processing → cancelled; a running attempt loses its claim. Gives the number of rows.

    A photo that was to be redone is completed again, as it was.
    """
    error = error_values(PhotoError("cancelled"))
    active = uploads.filter(status__in=ACTIVE).order_by()
    with watched(active) as active:
        held = outbox.hold_all(active.values_list("job_id", flat=True))
        back = put_back(active)
        count = change(
            active.exclude(STANDS), status=Status.CANCELLED, finished_at=timezone.now(), not_before=None,
            **NO_CLAIM, **NO_STEP, **error,
        )  # fmt: skip
        for job in held:
            outbox.ended(job)
    record.cancelled(count)
    return back + count


def retry(uploads: "QuerySet[Upload]") -> int:
    """failed, cancelled → queued (or new, where the source never came), attempts begun anew. Gives the number."""
    ended = uploads.filter(status__in=[Status.FAILED, Status.CANCELLED])
    with watched(ended) as ended:
        count = _again(ended.exclude(source=""), finished_at=None)
        lost = ended.filter(source="").exclude(archive=None, url="", bucket_key="").order_by()
        lost = lost.exclude(url="", source_removed_at__isnull=False)
        return count + change(lost, status=Status.NEW, queued_at=timezone.now(), finished_at=None, **FRESH)


def redo(uploads: "QuerySet[Upload]", recipe: Recipe, verdict: str = "") -> int:
    """Those that are in the house → queued with a recipe of their own; a running attempt loses its claim.

    The old result stays until the new one is in place. Gives the number of rows.
    """
    here = uploads.exclude(source="")
    with watched(here) as here:
        return _again(here, recipe=recipe.to_json(), verdict=verdict)


def judge(uploads: "QuerySet[Upload]", *, accepted: bool) -> int:
    """completed: a flag is taken away by accepting the result, and put back. Gives the number of rows."""
    rows = uploads.filter(status=Status.COMPLETED)
    with watched(rows) as rows:
        if accepted:
            return change(rows.filter(needs_review=True), needs_review=False, verdict=Verdict.ACCEPTED)
        return change(rows.filter(verdict=Verdict.ACCEPTED), needs_review=True, verdict="")


def remove(uploads: "QuerySet[Upload]") -> int:
    """They go for good, with their files, which go after the commit. Gives the number of rows.

    What has not ended is cancelled first, so that who waits for the end of its job is told. A job that nothing is left
    of is deleted as its owner would.
    """
    with watched(uploads) as held:
        pks = list(held.order_by("pk").select_for_update().values_list("pk", flat=True))
        rows = Upload.objects.filter(pk__in=pks)
        cancel(rows)
        jobs, sources, digests = (
            set(rows.values_list(column, flat=True)) for column in ("job_id", "source", "source_sha256")
        )
        keys = sources.union(Variant.objects.filter(upload__in=pks).values_list("key", flat=True))
        rows.delete()
        keys -= needed_originals(jobs, sources, digests)
        empty = Job.objects.filter(~Exists(Upload.objects.filter(job=OuterRef("pk"))), pk__in=jobs)
        empty.filter(is_open=False, is_draft=False, deleted_at=None).update(deleted_at=timezone.now())
        transaction.on_commit(lambda: storage.delete(keys))
        return len(pks)


def _again(uploads: "QuerySet[Upload]", **values: Any) -> int:
    return change(uploads.order_by(), status=Status.QUEUED, queued_at=timezone.now(), **FRESH, **values)
