"""What other programs learn of a job and of a photo, from the API and by webhooks alike.

The addresses are written out: reversing them would load all pages into each worker, and takes as long as all the rest.
A test holds them to the routes.
"""

import os
from typing import Any

from django.conf import settings

from processing.errors import is_transient
from processing.models import Job, Remembered, Upload, Variant
from processing.progress import Progress

NAME = "url"


def tell_url() -> None:
    """The other machines of the house learn from the one that people reach where that is. Raises DatabaseError."""
    Remembered.objects.update_or_create(name=NAME, defaults={"value": settings.URL})


def learn_url() -> str:
    """Where people reach the house: what workers write into what they tell. Raises DatabaseError."""
    known = Remembered.objects.filter(name=NAME).values_list("value", flat=True).first()
    if known and "PHOTO_URL" not in os.environ:
        settings.URL = known
    return str(settings.URL)


def job(job: Job, far: Progress) -> dict[str, Any]:
    here, is_csv = job_address(job.pk), hasattr(job, "product_csv")
    return {
        "job_id": job.pk,
        "name": job.name,
        "status": far.status,
        "summary": {
            "total": far.total, "successful": far.counts["completed"], "failed": far.counts["failed"],
            "percentage": far.percent,
        },
        "to_review": far.to_review,
        "urls": {
            "self": here, "uploads": f"{here}/uploads", "zip": f"{here}/results.zip",
            "page": f"{settings.URL}/{'products' if is_csv else 'jobs'}/{job.pk}/",
            "rows": f"{here}/rows" if is_csv else None, "csv": f"{here}/results.csv" if is_csv else None,
        },
    }  # fmt: skip


def upload(upload: Upload, result: Variant | None) -> dict[str, Any]:
    """`result` where it is there."""
    return {
        "id": upload.pk, "upload_id": upload.pk, "job_id": upload.job_id, "name": upload.name, "status": upload.status,
        "error": _error(upload), "needs_review": upload.needs_review, "review_reason": upload.review_reason,
        "result": result and file(result),
        "urls": {"self": upload_address(upload.pk), "page": f"{settings.URL}/photos/{upload.pk}/"},
    }  # fmt: skip


def file(variant: Variant) -> dict[str, Any]:
    return {
        "url": upload_address(variant.upload_id, variant.name), "format": variant.format, "width": variant.width,
        "height": variant.height, "bytes": variant.bytes, "sha256": variant.sha256,
    }  # fmt: skip


def _error(upload: Upload) -> dict[str, Any] | None:
    if not upload.error_code:
        return None
    return {
        "code": upload.error_code, "message": upload.error_message, "remedy": upload.error_remedy,
        "transient": is_transient(upload.error_code),
    }  # fmt: skip


def job_address(pk: int) -> str:
    """Where the API tells of a job."""
    return f"{settings.URL}/api/v1/jobs/{pk}"


def upload_address(pk: int, variant: str = "") -> str:
    """Where the API tells of an upload, or gives a file of it."""
    return f"{settings.URL}/api/v1/uploads/{pk}{'/' * bool(variant)}{variant}"
