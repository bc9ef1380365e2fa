"""How long things are kept: by age (`KEEP_…_DAYS` since a job ended), and by space (`KEEP_BYTES`, the jobs that ended
first go first). A job that is not ended stays whole, and so does one of which somebody still has to look at photos."""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from processing import history, ledger, storage
from processing.models import Archive, Job, ProductCsv, Status, Upload, Variant, lease
from processing.models.jobs import ACTIVE
from processing.variants import OF_PAGES

HANDFUL = 500  # photos that are changed in one transaction
ROLE, EVERY, AT_MOST = "retention", 600.0, 30.0  # seconds from turn to turn, and of one turn
PHOTOS = Upload.objects.filter(job=OuterRef("pk"))
ZIPS = Archive.objects.filter(job=OuterRef("pk")).exclude(key="")


@dataclass(frozen=True)
class Gone:
    """What goes of one job: all of it, its originals, or its results."""

    what: str
    job: Job
    photos: int
    bytes: int


def is_on() -> bool:
    """Whether anything is ever to go."""
    return bool(settings.KEEP_BYTES or any(kind.days() for kind in KINDS.values()))


def tidy() -> None:
    """One turn; what is left is for the next."""
    if is_on() and lease.hold(ROLE, uuid.uuid4().hex, EVERY):
        until = time.monotonic() + AT_MOST
        for _ in sweep():
            if time.monotonic() > until:
                return


def sweep(*, dry_run: bool = False) -> Iterator[Gone]:
    """Remove what is kept no longer, job by job, and tell of each; a dry run only tells."""
    left = total() if settings.KEEP_BYTES else 0
    told: Counter[int] = Counter()  # bytes, by job
    for gone in _by_age(dry_run):
        told[gone.job.pk] += gone.bytes
        left -= gone.bytes
        yield gone
    jobs = _each(ended().order_by("ended_at")) if left > settings.KEEP_BYTES > 0 else ()
    for job in jobs:
        if left <= settings.KEEP_BYTES:
            return
        gone = _go(KINDS["jobs"], job, dry_run, told[job.pk] if dry_run else 0)
        left -= gone.bytes
        if gone.bytes or not dry_run:
            yield gone


def total() -> int:
    """Bytes of all that is kept; what was deleted does not count, though it lies there for a while."""
    return stored(Job.objects.filter(deleted_at=None))


def unreviewed() -> int:
    """How many jobs stay because somebody has to look at photos of them."""
    return Job.objects.filter(Exists(PHOTOS.filter(needs_review=True)), deleted_at=None).count()


def ended() -> "QuerySet[Any]":
    """The jobs of which something may go, with `ended_at`."""
    open = Exists(PHOTOS.filter(Q(status__in=ACTIVE) | Q(needs_review=True)))
    last = PHOTOS.order_by().values("job").annotate(last=Max("finished_at")).values("last")
    rows = Job.objects.filter(~open, is_open=False, is_draft=False, deleted_at=None).select_related("owner")
    return rows.annotate(ended_at=Coalesce(Subquery(last), F("touched_at")))


def _by_age(dry_run: bool) -> Iterator[Gone]:
    whole: set[int] = set()
    for kind in KINDS.values():
        if not kind.days():
            continue
        before = timezone.now() - timedelta(days=kind.days())
        due = ended().filter(kind.has, touched_at__lt=before, ended_at__lt=before).order_by("ended_at")
        for job in _each(due):
            if job.pk not in whole:
                yield _go(kind, job, dry_run)
                whole |= {job.pk} if kind.what == "jobs" else set()


def _each(jobs: "QuerySet[Any]") -> Iterator[Job]:
    """One after the other, each asked for anew: somebody may have pressed Retry meanwhile."""
    for pk in list(jobs.values_list("pk", flat=True)):
        if job := ended().filter(pk=pk).first():
            yield job


def _go(kind: "Kind", job: Job, dry_run: bool, told: int = 0) -> Gone:
    gone = Gone(kind.what, job, job.uploads.count(), kind.bytes(Job.objects.filter(pk=job.pk)) - told)
    if not dry_run:
        kind.remove(job)
    return gone


# ---- what goes ------------------------------------------------------------------------------------------------------


def stored(jobs: "QuerySet[Job]") -> int:
    """Bytes of all files of these jobs."""
    small = _sum(Variant.objects.filter(upload__job__in=jobs, name__regex=OF_PAGES), "bytes")
    return small + _results(jobs) + _originals(jobs) + _sum(ProductCsv.objects.filter(job__in=jobs), "bytes")


def _originals(jobs: "QuerySet[Job]") -> int:
    """Equal photos of a job share one; a ZIP counts as long as it is there."""
    once = Upload.objects.filter(job__in=jobs).exclude(source="").order_by().values("job", "source")
    return _sum(once.annotate(one=Max("source_bytes")), "one") + _sum(_archives(jobs), "bytes")


def _archives(jobs: "QuerySet[Job]") -> "QuerySet[Archive]":
    return Archive.objects.filter(job__in=jobs).exclude(key="")


def _results(jobs: "QuerySet[Job]") -> int:
    return _sum(Variant.objects.filter(upload__job__in=jobs).exclude(name__regex=OF_PAGES), "bytes")


def _sum(rows: "QuerySet[Any, Any]", field: str) -> int:
    return rows.aggregate(sum=Sum(field))["sum"] or 0


def _remove_originals(job: Job) -> None:
    _in_handfuls(job, ledger.remove_originals)
    for archive in _archives(Job.objects.filter(pk=job.pk)):
        Archive.objects.filter(pk=archive.pk).update(key="")
        storage.delete([archive.key])


def _remove_results(job: Job) -> None:
    _in_handfuls(job, ledger.remove_results)


def _in_handfuls(job: Job, remove: "Callable[[QuerySet[Upload]], int]") -> None:
    """So that nobody waits for 30,000 photos."""
    pks = list(job.uploads.values_list("pk", flat=True))
    for first in range(0, len(pks), HANDFUL):
        remove(job.uploads.filter(pk__in=pks[first : first + HANDFUL]))


@dataclass(frozen=True)
class Kind:
    """Something that goes after so many days (0: never); `has` says of a job that there is some of it."""

    what: str
    setting: str
    has: Q
    bytes: "Callable[[QuerySet[Job]], int]"
    remove: Callable[[Job], None]

    def days(self) -> int:
        return int(getattr(settings, self.setting))


# Whole jobs first: nothing else need go of them. They are deleted as people do it, and removed for good by the tidying.
KINDS = {
    kind.what: kind
    for kind in (
        Kind("jobs", "KEEP_JOBS_DAYS", Q(), stored, history.delete),
        Kind(
            "originals", "KEEP_ORIGINALS_DAYS", Q(Exists(PHOTOS.exclude(source=""))) | Q(Exists(ZIPS)), _originals,
            _remove_originals,
        ),
        Kind(
            "results", "KEEP_RESULTS_DAYS",
            Q(Exists(PHOTOS.filter(status=Status.COMPLETED, results_removed_at=None))), _results, _remove_results,
        ),
    )
}  # fmt: skip
