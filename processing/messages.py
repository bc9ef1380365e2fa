"""Jobs and photos in the words of two other systems, for those who speak them: over HTTP and over sockets alike."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Prefetch, prefetch_related_objects
from django.urls import reverse

from processing import progress
from processing.models import Job, Status, Upload, Variant
from processing.progress import Progress
from processing.variants import SOURCE_THUMBNAIL

PENDING, PROCESSING, COMPLETED, FAILED = "pending", "processing", "completed", "failed"
WORDS: dict[str, str] = {
    "draft": PENDING, Status.NEW: PENDING, Status.QUEUED: PENDING, Status.PROCESSING: PROCESSING,
    Status.COMPLETED: COMPLETED, Status.FAILED: FAILED, Status.CANCELLED: FAILED,
}  # fmt: skip
Message = dict[str, Any]


def job(job: Job, far: Progress | None = None) -> Message:
    """photo_processor's message of a job: exactly its fields. `percentage` is of the photos that have ended."""
    far = far or progress.of(job)
    return {
        "type": "progress",
        "job_id": job.pk,
        "status": WORDS[far.status],
        "progress": {"processed": far.ended, "total": far.total, "percentage": far.percent},
        "metadata": {
            "created_at": _iso(job.created_at),
            "updated_at": _iso(max(job.touched_at, far.changed_at or job.touched_at)),
            "job_type": "products" if hasattr(job, "product_csv") else "photos",
            "file_count": far.total,
        },
        "error": _error(job, far),
    }


def summary(far: Progress) -> dict[str, float]:
    """photo_processor's: `success_rate` in percent of all photos. What was cancelled counts as failed."""
    successful, failed = far.counts["completed"], far.counts["failed"] + far.counts["cancelled"]
    rate = round(100 * successful / far.total, 1) if far.total else 0.0
    return {"total": far.total, "successful": successful, "failed": failed, "success_rate": rate}


def _error(job: Job, far: Progress) -> str | None:
    if far.status == Status.CANCELLED:
        return "Cancelled"
    if far.status != Status.FAILED:
        return None
    failed = job.uploads.filter(status=Status.FAILED).order_by("position")
    return failed.values_list("error_message", flat=True).first()


def image(upload: Upload) -> Message:
    """image_queue's fields of a photo. `variants` has the address of each file that was made of it, by name."""
    return images([upload])[0]


def images(uploads: Iterable[Upload]) -> list[Message]:
    """The fields of these photos, in as many queries for a thousand as for one."""
    rows = list(uploads)
    prefetch_related_objects(rows, Prefetch("variants", to_attr="made"))
    return [_image(upload) for upload in rows]


def _image(upload: Upload) -> Message:
    status, states = WORDS[upload.status], {variant.name: variant.status for variant in upload.made}
    own = settings.URL + reverse("api-1:v1-upload", args=[upload.pk])
    files = {name: f"{own}/{name}" for name, state in states.items() if state == Variant.Status.COMPLETED}
    of_source = files.pop(SOURCE_THUMBNAIL, None)
    thumbnail = files.get("thumbnail", of_source)
    return {
        "id": upload.pk,
        "processing_status": status,
        "thumbnail_status": COMPLETED if thumbnail else states.get(SOURCE_THUMBNAIL, status),
        "variant_status": COMPLETED if files else status,
        "processing_error": upload.error_message or None,
        "attempts": upload.attempts,
        "started_at": _iso(upload.started_at),
        "completed_at": _iso(upload.finished_at),
        "thumbnail_url": thumbnail,
        "variants": files,
    }


def reached(image: Message) -> list[str]:
    """How far a photo with these fields is, in the types of image_queue's messages: the last one says most."""
    holds = {
        "thumbnail_complete": image["thumbnail_status"] == COMPLETED,
        "variant_complete": image["variant_status"] == COMPLETED,
        "complete": image["processing_status"] == COMPLETED,
        "failed": image["processing_status"] == FAILED,
    }
    return [f"image:processing:{name}" for name, is_so in holds.items() if is_so]


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
