"""The jobs of a person: found again, renamed, deleted and brought back."""

from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404
from django.utils import timezone

from processing import product_rows, watch
from processing.intake.names import line
from processing.models import Job, ProductRow, Status, Upload
from processing.models.jobs import ACTIVE
from processing.progress import ENDED, TO_REVIEW

LONGEST = 200  # characters of a job's name


def find(jobs: "QuerySet[Job]", q: str, state: str) -> "QuerySet[Job]":
    """Search by a job's name or number, a photo's name, a row's name or serial number, and filter by the derived state
    (`Progress.status`).

    "failed" and "review" find more: every job in which a photo or a row failed or is flagged, as somebody should look
    at it.
    """
    return _in_state(_named(jobs, q) if q else jobs, state)


def _named(jobs: "QuerySet[Job]", q: str) -> "QuerySet[Job]":
    number = Q(pk=watch.number(q)) if watch.number(q) else Q()
    rows = ProductRow.objects.filter(Q(name__icontains=q) | Q(serial=q), job=OuterRef("pk"))
    photos = Upload.objects.filter(name__icontains=q, job=OuterRef("pk"))
    return jobs.filter(Q(name__icontains=q) | Exists(photos) | Exists(rows) | number)


def _in_state(jobs: "QuerySet[Job]", state: str) -> "QuerySet[Job]":
    photos = Upload.objects.filter(job=OuterRef("pk"))
    bad_rows = Exists(ProductRow.objects.filter(product_rows.OPEN, job=OuterRef("pk")))
    active, flagged = Exists(photos.filter(status__in=ACTIVE)), Exists(photos.filter(TO_REVIEW))
    failed, cancelled, completed = (
        Exists(photos.filter(status=one)) for one in (Status.FAILED, Status.CANCELLED, Status.COMPLETED)
    )
    ended = jobs.filter(~Q(active), is_open=False, is_draft=False)
    match state:
        case "draft":
            return jobs.filter(is_draft=True)
        case "queued":
            begun = photos.filter(status__in=[Status.PROCESSING, *ENDED])
            return jobs.filter(Q(active) | Q(is_open=True), ~Exists(begun), is_draft=False)
        case "processing":
            return jobs.filter(Q(active) | Q(is_open=True))
        case "failed":
            return jobs.filter(failed | bad_rows, is_draft=False)
        case "review":
            return jobs.filter(flagged)
        case "cancelled":
            return ended.filter(cancelled, ~Q(failed))
        case "completed":
            return ended.filter(completed | ~Exists(photos), Q(failed) | ~Q(cancelled))
    return jobs


def rename(job: Job, name: str) -> bool:
    """False where nothing of the name can be seen: the job keeps the one it has."""
    if shown := line(name, LONGEST):
        Job.objects.filter(pk=job.pk).update(name=shown)
    return bool(shown)


def delete(job: Job) -> None:
    """It is hidden, and removed for good later: until then it can be brought back."""
    Job.objects.filter(pk=job.pk).update(deleted_at=timezone.now())


def restore(job: Job) -> None:
    """Raises Http404 where it was deleted too long ago: then it may be half removed already."""
    since = timezone.now() - timedelta(minutes=settings.UNDO_MINUTES)
    if not Job.objects.filter(pk=job.pk, deleted_at__gt=since).update(deleted_at=None):
        raise Http404("The job is not there any more.")
