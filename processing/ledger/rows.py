"""How a row of an upload may be changed: what all of the ledger shares."""

import random
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.expressions import Combinable
from django.utils import timezone

from processing import announce, doubts, outbox, pauses, queue, tally
from processing.errors import PhotoError
from processing.models import EventType, Job, Status, Upload, lease
from processing.models.jobs import is_due

NO_CLAIM: dict[str, Any] = {"claim": None, "lease_until": None, "nudged_at": None, "waits_for": ""}
NO_ERROR = {"error_code": "", "error_message": "", "error_remedy": "", "error_detail": ""}
NO_STEP: dict[str, Any] = {"step": "", "steps_done": 0, "steps_total": 0}
FRESH: dict[str, Any] = {"attempts": 0, "not_before": None, **NO_CLAIM, **NO_ERROR, **NO_STEP}
STANDS = ~Q(facts={})  # facts are written with a result, and by nobody else


@dataclass(frozen=True)
class Claim:
    """One attempt by one worker: what to do, and the token that finishing or failing must match."""

    token: uuid.UUID
    upload_id: int
    job_id: int
    owner_id: int
    attempt: int
    asked_at: datetime
    source: str
    source_bytes: int
    source_sha256: str
    recipe: dict[str, Any]
    stands: dict[str, Any] | None = None  # the recipe of the result that this one is to replace
    verdict: str = ""
    waited: float | None = None  # seconds that it was queued before its first try; None for a later one
    archive_id: int | None = None
    entry: int | None = None
    url: str = ""
    host: str = ""
    bucket_key: str = ""
    request_id: str = ""  # of the request that made the job
    began: float = field(default_factory=time.monotonic)

    @property
    def ids(self) -> dict[str, Any]:
        """What each line of the log about this attempt carries."""
        return {name: getattr(self, name) for name in ("job_id", "upload_id", "attempt", "request_id")}

    @property
    def seconds(self) -> float:
        """How long it took until now."""
        return round(time.monotonic() - self.began, 3)

    @property
    def back(self) -> Status:
        """Where it waits for its next try."""
        return Status.QUEUED if self.source else Status.NEW

    @property
    def row(self) -> "QuerySet[Upload]":
        return Upload.objects.filter(pk=self.upload_id, claim=self.token)


def change(rows: "QuerySet[Upload]", **values: Any) -> int:
    return rows.update(changed_at=timezone.now(), **values)


def error_values(error: PhotoError, detail: str = "") -> dict[str, str]:
    return {
        "error_code": error.code,
        "error_message": error.message,
        "error_remedy": error.remedy,
        "error_detail": detail,
    }


def held() -> Combinable:
    """Until when a claim holds without a sign of life."""
    return lease.from_now(settings.LEASE)


def back_off(attempt: int) -> datetime:
    """When to try again after `attempt` tries: exponential, with full jitter."""
    return timezone.now() + timedelta(seconds=random.uniform(0, settings.RETRY_DELAY * 2 ** (attempt - 1)))


def waiting(status: Status) -> "QuerySet[Upload]":
    """What may be claimed. No join: the UPDATE must see the row's own columns, or two claims could both succeed."""
    return _kept(status).filter(is_due())


@cache  # Django takes longer to write it than a database to answer it
def _kept(status: Status) -> "QuerySet[Upload]":
    """Those of a job that is not deleted, which no pause holds and no claim."""
    kept = Exists(Job.objects.filter(pk=OuterRef("job_id"), deleted_at=None))
    return Upload.objects.filter(kept, ~pauses.held(), status=status, claim=None, waits_for="")


def needed_originals(jobs: Any, sources: Collection[str], digests: Collection[str]) -> set[str]:
    """Those of these originals that a photo of the jobs has, as equal photos share one. (Asked for by content besides,
    which has an index.)"""
    rows = Upload.objects.filter(job__in=jobs, source_sha256__in=digests, source__in=sources)
    return set(rows.values_list("source", flat=True))


@contextmanager
def watched(uploads: "QuerySet[Upload]") -> "Iterator[QuerySet[Upload]]":
    """One transaction in which some of these change; then the watchers of their jobs look again.

    The jobs are locked first, in order, so that two acts on many rows cannot wait for each other. Gives those of the
    uploads that are of a locked job: another may have come to fit meanwhile.
    """
    with transaction.atomic():
        jobs = Job.objects.filter(pk__in=uploads.order_by().values("job_id")).order_by("pk").select_for_update()
        job_ids = list(jobs.values_list("pk", flat=True))
        yield uploads.filter(job_id__in=job_ids)
        for job_id in job_ids:
            announce.job_changed(job_id)
        queue.push()


def note(rows: "QuerySet[Upload]", **values: Any) -> int:
    """Write down when these were sent or may be asked for, which is no change. Those that somebody changes at this
    moment are left out: who has not locked the jobs must not wait for many of their photos. Gives the number."""
    with transaction.atomic():
        free = rows.order_by().select_for_update(skip_locked=True, no_key=True).values("pk")
        return Upload.objects.filter(pk__in=free).update(**values)


def put_back(rows: "QuerySet[Upload]", **values: Any) -> int:
    """A redo that came to nothing: completed again, with the result that stands and the recipe of it."""
    return change(
        rows.filter(STANDS), status=Status.COMPLETED, recipe=F("facts__recipe"), verdict="", not_before=None,
        **NO_CLAIM, **NO_ERROR, **NO_STEP, **values,
    )  # fmt: skip


def end_failed(rows: "QuerySet[Upload]", job_id: int, upload_id: int, error: PhotoError, detail: str = "") -> int:
    """For good; `rows` is the upload while it may still be changed."""
    flag = {"needs_review": True, "review_reason": doubts.short(f"The redo failed: {error.message}")}
    ended = {
        "status": Status.FAILED,
        "finished_at": timezone.now(),
        **NO_CLAIM,
        **NO_STEP,
        **error_values(error, detail),
    }
    with transaction.atomic():
        told, failed = outbox.hold(job_id), 0
        if put_back(rows, **flag):
            outbox.upload(told, upload_id, EventType.UPLOAD_NEEDS_REVIEW)
        elif failed := change(rows, **ended):
            outbox.upload(told, upload_id, EventType.UPLOAD_FAILED)
        else:
            return 0
        outbox.ended(told)
        owner_id, attempts = Upload.objects.values_list("job__owner_id", "attempts").get(pk=upload_id)
        tally.add(owner_id, failed=failed, attempts=attempts)
    return 1
