"""A job as the API tells it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from django.http import HttpResponse, JsonResponse
from ninja import Schema
from pydantic import ConfigDict, Field

from processing import progress, public
from processing.api import problems
from processing.api.shapes.row import Span
from processing.intake.answer import Answer
from processing.models import Job
from processing.progress import Progress

WITH = ("callback", "product_csv")  # what a query for many of them is to bring along
MOST_REFUSED = 200
HERE = "https://photos.example.com/api/v1/jobs/3"

REFUSED: dict[str, Any] = {"name": "notes.txt", "code": "invalid_file_type", "detail": "Unsupported image format: TXT."}
ANSWER: dict[str, Any] = {"job_id": 3, "status": "queued", "received": 3, "accepted": 2, "refused": [REFUSED]}
JOB: dict[str, Any] = {
    "job_id": 3, "name": "Spring", "status": "processing", "open": False,
    "recipe": {"remove_bg": True, "model": "u2netp", "background": "#ffffff", "format": "jpg", "quality": 85},
    "created_at": "2025-03-04T10:15:00Z", "updated_at": "2025-03-04T10:15:09Z",
    "counts": {"new": 0, "queued": 1, "processing": 1, "completed": 2, "failed": 0, "cancelled": 0}, "to_review": 0,
    "summary": {"total": 4, "successful": 2, "failed": 0, "percentage": 50}, "eta": {"least": 3.4, "most": 5.2},
    "callback_url": "https://shop.example.com/told",
    "urls": {
        "self": HERE, "uploads": f"{HERE}/uploads", "zip": f"{HERE}/results.zip",
        "page": "https://photos.example.com/jobs/3/", "rows": None, "csv": None,
    },
}  # fmt: skip


class Refused(Schema):
    """What was sent and did not come in, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [REFUSED]})

    name: str
    code: str
    detail: str


class Answered(Schema):
    """What became of what was sent: `received` is `accepted` and those that are `refused`."""

    model_config = ConfigDict(json_schema_extra={"examples": [ANSWER]})

    job_id: int
    status: Literal["queued", "draft"]
    received: int
    accepted: int
    refused: list[Refused]


class Summary(Schema):
    """Of the photos; `percentage` is of those that have ended."""

    total: int
    successful: int
    failed: int
    percentage: int = Field(ge=0, le=100)


class JobUrls(Schema):
    self: str
    uploads: str
    zip: str
    page: str = Field(description="Where a person looks at it.")
    rows: str | None = Field(description="Of a product CSV.")
    csv: str | None = Field(description="Of a product CSV.")


class JobOut(Schema):
    """What was handed over in one go, and how far it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [JOB]})

    job_id: int
    name: str
    status: Literal["draft", "queued", "processing", "completed", "failed", "cancelled"]
    open: bool = Field(description="More files may come.")
    recipe: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    counts: dict[str, int] = Field(description="Photos by state.")
    to_review: int = Field(description="Completed photos that somebody should look at.")
    summary: Summary
    eta: Span | None = Field(description="Until it has ended, once it can be told; not in lists.")
    callback_url: str | None
    urls: JobUrls


class WholeJob(JobOut):
    """The same, with what was refused."""

    model_config = ConfigDict(json_schema_extra={"examples": [JOB | {"refused": [REFUSED], "refused_total": 1}]})

    refused: list[Refused] = Field(description=f"The first {MOST_REFUSED}.")
    refused_total: int


def of(job: Job, far: Progress) -> JobOut:
    """Asks the database for nothing where the job came with WITH."""
    return JobOut(**_values(job, far))


def whole(job: Job) -> WholeJob:
    rows = job.refusals.order_by("pk")
    refused = [Refused(name=one.name, code=one.code, detail=one.detail) for one in rows[:MOST_REFUSED]]
    return WholeJob(**_values(job, progress.of(job)), refused=refused, refused_total=rows.count())


def many(jobs: Iterable[Job]) -> list[JobOut]:
    """The shapes of these, in as many queries for a hundred as for one."""
    jobs = list(jobs)
    far = progress.of_many(jobs)
    return [of(job, far[job.pk]) for job in jobs]


def _values(job: Job, far: Progress) -> dict[str, Any]:
    callback = getattr(job, "callback", None)
    return public.job(job, far) | {
        "open": job.is_open,
        "recipe": job.recipe,
        "created_at": job.created_at,
        "updated_at": max(filter(None, (job.touched_at, far.changed_at))),
        "counts": far.counts,
        "eta": Span(least=round(far.left[0], 1), most=round(far.left[1], 1)) if far.left else None,
        "callback_url": callback and callback.url,
    }


def accepted(answer: Answer, status: str = "queued") -> HttpResponse:
    """202, what came in, and where the job is found."""
    assert answer.job
    told = answer.to_json() | {"status": status}
    return JsonResponse(told, status=202, headers={"Location": public.job_address(answer.job.pk)})


def refused(answer: Answer) -> HttpResponse:
    """Nothing came in: a problem, by what was first in the way, with every refusal."""
    first = answer.refused[0]
    return problems.answer(422, first.code, first.detail, more=answer.to_json())
