"""An upload as the API tells it."""

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any

from django.conf import settings
from django.db.models import Prefetch, prefetch_related_objects
from django.urls import reverse
from ninja import Schema
from pydantic import Field

from processing.errors import KINDS
from processing.models import Status, Upload, Variant
from processing.models.jobs import Verdict

HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
ADDRESS = "https://photos.example.com/api/v1/uploads/17"
FILE: dict[str, Any] = {
    "url": f"{ADDRESS}/result",
    "format": "png",
    "width": 1200,
    "height": 1200,
    "bytes": 312400,
    "sha256": HASH,
}
FAILURE: dict[str, Any] = {
    "code": "no_face_found", "message": "No face was found.",
    "remedy": "Turn off cropping to the face, or send a photo with a clear face.", "transient": False,
}  # fmt: skip
UPLOAD: dict[str, Any] = {
    "id": 17, "upload_id": 17, "task_id": 17, "job_id": 3, "name": "shoe.jpg", "status": "completed", "step": "",
    "progress": 100, "attempts": 1, "error": None, "needs_review": False, "review_reason": "", "verdict": None,
    "source": {**FILE, "url": f"{ADDRESS}/original", "format": "jpeg", "bytes": 918200}, "result": FILE,
    "variants": {"thumbnail": {**FILE, "url": f"{ADDRESS}/thumbnail", "format": "webp", "width": 320, "height": 320}},
    "recipe": None, "model": "u2netp", "processing_time": 1.42, "created_at": "2025-03-04T10:15:00Z",
    "queued_at": "2025-03-04T10:15:00Z", "started_at": "2025-03-04T10:15:02Z", "finished_at": "2025-03-04T10:15:04Z",
    "urls": {"self": ADDRESS, "page": "https://photos.example.com/photos/17/"},
}  # fmt: skip


class File(Schema):
    """A file that can be fetched; width and height in px. `url` takes the same token."""

    model_config = {"json_schema_extra": {"examples": [FILE]}}

    url: str
    format: str
    width: int
    height: int
    bytes: int
    sha256: str


class Failure(Schema):
    """Why it failed, was cancelled, or is to be tried again. `transient`: the same once more can help."""

    model_config = {"json_schema_extra": {"examples": [FAILURE]}}

    code: str
    message: str
    remedy: str
    transient: bool


class UploadUrls(Schema):
    self: str
    page: str = Field(description="Where a person looks at it.")


class UploadOut(Schema):
    """One photo: its state, its files, its error."""

    model_config = {"json_schema_extra": {"examples": [UPLOAD]}}

    id: int
    upload_id: int = Field(description="The same as id.")
    task_id: int = Field(description="The same as id.")
    job_id: int
    name: str
    status: Status
    step: str = Field(description="What is being done to it.")
    progress: int = Field(ge=0, le=100, description="Percent of the steps that are done.")
    attempts: int
    error: Failure | None
    needs_review: bool
    review_reason: str
    verdict: Verdict | None
    source: File | None = Field(description="The original, once it is here.")
    result: File | None
    variants: dict[str, File] = Field(description="The other files made of it, by name.")
    recipe: dict[str, Any] | None = Field(description="Its own, where it was redone; else the job's holds.")
    model: str | None
    processing_time: float | None = Field(description="Seconds of work that the result took.")
    created_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    urls: UploadUrls


def many(uploads: Iterable[Upload]) -> list[UploadOut]:
    """The shapes of these, in as many queries for a thousand as for one."""
    rows = list(uploads)
    prefetch_related_objects(rows, Prefetch("variants", to_attr="made"))
    return [_of(upload) for upload in rows]


def of(upload: Upload) -> UploadOut:
    return many([upload])[0]


def _of(upload: Upload) -> UploadOut:
    files = {one.name: _file(one) for one in upload.made if one.status == Variant.Status.COMPLETED}
    pk = upload.pk
    return UploadOut(
        id=pk, upload_id=pk, task_id=pk, job_id=upload.job_id, name=upload.name, status=Status(upload.status),
        step=upload.step, progress=progress(upload), attempts=upload.attempts, error=_failure(upload),
        needs_review=upload.needs_review, review_reason=upload.review_reason,
        verdict=Verdict(upload.verdict) if upload.verdict else None, source=_source(upload),
        result=files.pop("result", None), variants=files, recipe=upload.recipe, model=upload.facts.get("model"),
        processing_time=processing_time(upload), created_at=upload.created_at, queued_at=upload.queued_at,
        started_at=upload.started_at, finished_at=upload.finished_at,
        urls=UploadUrls(self=address(pk), page=f"{settings.URL}{reverse('photo', args=[pk])}"),
    )  # fmt: skip


def headers(upload: Upload, variant: str) -> dict[str, str]:
    """What is said beside a file of it (`result`, `original` or another that there is): its width and height in px,
    and how the result was made."""
    told = of(upload)
    file = {"original": told.source, "result": told.result, **told.variants}.get(variant)
    found = {
        "X-Width": file and file.width, "X-Height": file and file.height, "X-Model": told.model,
        "X-Processing-Time": told.processing_time,
    }  # fmt: skip
    return {name: str(value) for name, value in found.items() if value is not None}


def progress(upload: Upload) -> int:
    """Percent of its steps that are done."""
    if upload.status == Status.COMPLETED:
        return 100
    return min(100, 100 * upload.steps_done // upload.steps_total) if upload.steps_total else 0


def processing_time(upload: Upload) -> float | None:
    """Seconds of work that its result took."""
    timings = upload.facts.get("timings")
    return round(sum(timings.values()), 2) if timings else None


def address(upload_id: int, variant: str = "") -> str:
    """Where the API tells of an upload, or gives a file of it."""
    return f"{settings.URL}{_place()}{upload_id}{'/' * bool(variant)}{variant}"


@cache
def _place() -> str:
    """(To reverse each address takes as long as all the rest.)"""
    return reverse("api-1:v1-upload", args=[0]).removesuffix("0")


def _file(variant: Variant) -> File:
    return File(
        url=address(variant.upload_id, variant.name), format=variant.format, width=variant.width,
        height=variant.height, bytes=variant.bytes, sha256=variant.sha256,
    )  # fmt: skip


def _source(upload: Upload) -> File | None:
    if not upload.source:
        return None
    return File(
        url=address(upload.pk, "original"), format=upload.source_format, width=upload.source_width or 0,
        height=upload.source_height or 0, bytes=upload.source_bytes or 0, sha256=upload.source_sha256,
    )  # fmt: skip


def _failure(upload: Upload) -> Failure | None:
    code = upload.error_code
    if not code:
        return None
    transient = code in KINDS and KINDS[code].transient
    return Failure(code=code, message=upload.error_message, remedy=upload.error_remedy, transient=transient)
