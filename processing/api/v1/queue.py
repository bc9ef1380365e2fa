"""The queue of everybody's photos, for operators."""

from datetime import datetime
from typing import Any, Literal

import redis
from django.db.models import Count, Min, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from processing import access, ledger, progress, queue
from processing.api import auth, body
from processing.api.shapes.asked import Id, Moment
from processing.errors import KINDS
from processing.models import Job, Status, Upload

router = Router(tags=["queue"])

STATE: dict[str, Any] = {
    "paused": None, "counts": {"new": 0, "queued": 12, "processing": 2, "completed": 840, "failed": 3, "cancelled": 1},
    "waiting": 6, "workers": 2, "oldest_wait": 4.2, "people": [{"name": "kim", "queued": 12, "processing": 2}],
}  # fmt: skip


class Paused(Schema):
    since: datetime
    by: str | None


class Person(Schema):
    """Somebody who has photos in the queue."""

    name: str
    queued: int
    processing: int


class Queue(Schema):
    """How it stands. `waiting` (handed to the workers, and not begun) and `workers` are null while Redis is away."""

    model_config = {"json_schema_extra": {"examples": [STATE]}}

    paused: Paused | None
    counts: dict[Status, int] = Field(description="Photos by state, everybody's.")
    waiting: int | None
    workers: int | None
    oldest_wait: float | None = Field(description="Seconds for which the first in line has waited.")
    people: list[Person]


class RetryFilter(Schema):
    """Which photos are queued again; with `dry_run` they are only counted."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"status": "failed", "code": "timeout", "dry_run": True}]},
    )

    status: Literal["failed", "cancelled"] = "failed"
    code: Literal[tuple(KINDS)] | None = Field(None, description="Of the error.")  # type: ignore[valid-type]
    job_id: Id | None = None
    owner: str | None = Field(None, max_length=150, pattern=r"^[\w.@+-]+$", description="Whose; the name to sign in.")
    since: Moment | None = Field(None, description="Those that ended then or later.")
    dry_run: bool = False

    def of(self, jobs: "QuerySet[Job]") -> "QuerySet[Upload]":
        """The photos of these jobs that it names."""
        asked = {
            "status": self.status, "error_code": self.code, "job_id": self.job_id, "job__owner__username": self.owner,
            "finished_at__gte": self.since,
        }  # fmt: skip
        named = {name: value for name, value in asked.items() if value is not None}
        return Upload.objects.filter(job__in=jobs, **named)


class RetriedInQueue(Schema):
    model_config = {"json_schema_extra": {"examples": [{"matched": 3, "retried": 3}]}}

    matched: int
    retried: int = Field(description="0 in a dry run.")


@router.get(
    "queue", auth=auth.QUEUE, url_name="v1-queue", operation_id="get_queue", summary="How the queue stands",
    response=Queue,
)  # fmt: skip
def state(request: HttpRequest) -> Any:
    """Everybody's photos by state, who waits, who works, and whether it is paused."""
    return _state(access.jobs(auth.who(request), everybody=True))


@router.post(
    "queue/pause", auth=auth.QUEUE, url_name="v1-queue-pause", operation_id="pause_queue", summary="Pause the queue",
    response=Queue,
)  # fmt: skip
def pause(request: HttpRequest) -> Any:
    """No further photo is begun; those that are being worked on go on, and new ones are taken in."""
    queue.pause(auth.owner(request))
    return state(request)


@router.post(
    "queue/resume", auth=auth.QUEUE, url_name="v1-queue-resume", operation_id="resume_queue",
    summary="Let the queue go on", response=Queue,
)  # fmt: skip
def resume(request: HttpRequest) -> Any:
    """The photos that wait are begun again."""
    queue.resume()
    return state(request)


@router.post(
    "queue/retry", auth=auth.QUEUE, url_name="v1-queue-retry", operation_id="retry_in_queue",
    summary="Queue photos again", response=RetriedInQueue, openapi_extra=body.described(RetryFilter),
)  # fmt: skip
def retry(request: HttpRequest) -> Any:
    """Those that failed, or were cancelled, and that the filter names: everybody's."""
    asked, _ = body.read(request, RetryFilter)
    uploads = asked.of(access.jobs(auth.who(request), everybody=True))
    matched = uploads.count()
    return RetriedInQueue(matched=matched, retried=0 if asked.dry_run else ledger.retry(uploads))


def _state(jobs: "QuerySet[Job]") -> Queue:
    uploads = Upload.objects.filter(job__in=jobs)
    first = uploads.filter(status=Status.QUEUED).aggregate(at=Min("queued_at"))["at"]
    waiting, workers = _redis()
    return Queue(
        paused=_paused(), counts=progress.counts(jobs), waiting=waiting, workers=workers,
        oldest_wait=(timezone.now() - first).total_seconds() if first else None, people=_people(uploads),
    )  # fmt: skip


def _paused() -> Paused | None:
    pause = queue.paused()
    return Paused(since=pause.since, by=pause.by.get_username() if pause.by else None) if pause else None


def _redis() -> tuple[int | None, int | None]:
    try:
        return queue.waiting(queue.PHOTOS), queue.workers(queue.PHOTOS)
    except redis.RedisError:
        return None, None


def _people(uploads: "QuerySet[Upload]") -> list[Person]:
    """Those who have photos in the queue, who has most of them first."""
    active = uploads.filter(status__in=[Status.QUEUED, Status.PROCESSING]).order_by()
    queued, processing = (Count("pk", filter=Q(status=state)) for state in (Status.QUEUED, Status.PROCESSING))
    rows = active.values_list("job__owner__username").annotate(queued=queued, processing=processing)
    found = [Person(name=name, queued=queued, processing=processing) for name, queued, processing in rows]
    return sorted(found, key=lambda one: (-one.queued, one.name))
