"""image_queue's addresses and answers: one photo at a time, and the queue for operators."""

from typing import Any

from django.db.models import Count, QuerySet
from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel

from processing import access, breaker, bulk, messages
from processing.access import Person
from processing.api import acts, auth, body, once
from processing.api.shapes import job as job_shape
from processing.intake import photos
from processing.models import Status, Upload
from processing.query import Query
from processing.recipe import Recipe

router = Router(tags=["image_queue"])

FIELDS = ("file", "image", "files")
SHOWN = 100


class Nothing(BaseModel):
    """Fields beside the file are ignored, as that system does."""


@router.post(
    "api/images/upload", auth=auth.WRITE, url_name="image-queue-upload", operation_id="upload_image",
    summary="Send one photo", openapi_extra=body.described(Nothing, FIELDS) | once.PARAMETER,
)  # fmt: skip
def upload(request: HttpRequest) -> Any:
    """As `file`, `image` or `files`; it becomes a job of its own."""
    asked, sent = body.read(request, Nothing, files=FIELDS)
    file, keys = body.one_file(sent, FIELDS), once.keys(request, asked, sent)
    answer = photos.accept(auth.owner(request), [file], Recipe(), token=auth.token(request), **keys)
    if answer.job is None:
        return job_shape.refused(answer)
    return messages.image(answer.job.uploads.get())


@router.get(
    "api/images/{int:upload_id}/processing-status", auth=auth.READ, url_name="image-queue-status",
    operation_id="processing_status", summary="How far a photo is",
)  # fmt: skip
def status(request: HttpRequest, upload_id: int) -> Any:
    """Its states, and the addresses of its files, which take the same token."""
    return messages.image(access.upload(auth.who(request), upload_id))


@router.post(
    "api/images/{int:upload_id}/retry-processing", auth=auth.WRITE, url_name="image-queue-retry",
    operation_id="retry_processing", summary="Try a photo again",
)  # fmt: skip
def retry(request: HttpRequest, upload_id: int) -> Any:
    """One that has not failed is 409."""
    found = access.upload(auth.who(request), upload_id, to="retry")
    acts.RETRY.on(Upload.objects.filter(pk=found.pk))
    found.refresh_from_db()
    return messages.image(found)


@router.get(
    "api/admin/processing-queue", auth=auth.QUEUE, url_name="image-queue-queue", operation_id="processing_queue",
    summary="How the queue stands",
)  # fmt: skip
def queue(request: HttpRequest) -> Any:
    """Everybody's: how many there are in each state, and those that changed last of the ones that are not completed."""
    rows = everybodys(auth.who(request))
    counts = dict.fromkeys([messages.PENDING, messages.PROCESSING, messages.COMPLETED, messages.FAILED], 0)
    for state, count in rows.order_by().values_list("status").annotate(Count("pk")):
        counts[messages.WORDS[state]] += count
    open_ones = rows.exclude(status__in=[Status.COMPLETED, Status.CANCELLED]).order_by("-changed_at", "-pk")
    return {"counts": counts, "items": messages.images(open_ones[:SHOWN]), "breakers": _breakers()}


@router.post(
    "api/admin/retry-all-failed", auth=auth.QUEUE, url_name="image-queue-retry-all", operation_id="retry_all_failed",
    summary="Try everything again that failed",
)  # fmt: skip
def retry_all(request: HttpRequest) -> Any:
    """Everybody's; what was cancelled stays so. More than 1,000 are retried in the background."""
    return {"retried": bulk.soon(auth.owner(request), "retry", Query(state=Status.FAILED))[0]}


def _breakers() -> dict[str, dict[str, Any]]:
    """What is left alone now, by name, and how many photos are parked behind it."""
    parked = breaker.parked()
    return {
        name: {"state": row.state, "failures": row.failures, "parked": parked.get(name, 0)}
        for name, row in breaker.open_ones().items()
    }


def everybodys(operator: Person) -> "QuerySet[Upload]":
    return Upload.objects.filter(job__in=access.jobs(operator, everybody=True))
