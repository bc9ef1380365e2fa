"""An upload as the API tells it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Prefetch, prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponseBase
from ninja import Schema
from pydantic import Field

from processing import public
from processing.delivery import photo
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
    files = {one.name: one for one in upload.made if one.status == Variant.Status.COMPLETED}
    return UploadOut(
        **public.upload(upload, files.pop("result", None)), task_id=upload.pk, step=upload.step,
        progress=progress(upload), attempts=upload.attempts,
        verdict=Verdict(upload.verdict) if upload.verdict else None, source=_source(upload),
        variants={name: File(**public.file(one)) for name, one in files.items()}, recipe=upload.recipe,
        model=upload.facts.get("model"), processing_time=processing_time(upload), created_at=upload.created_at,
        queued_at=upload.queued_at, started_at=upload.started_at, finished_at=upload.finished_at,
    )  # fmt: skip


def file(request: HttpRequest, upload: Upload, name: str, *, save: bool = False) -> HttpResponseBase:
    """A file of it as an answer: `original`, or a variant by its name.

    Raises Http404 where it is not made, PhotoError as `photo.response` does.
    """
    found = photo.download(upload, name)
    if found is None:
        raise Http404(f"There is no such file: the photo is {upload.status}.")
    response = photo.response(request, found, save=save, max_age=0)
    for header, value in headers(upload, found).items():
        response[header] = value
    return response


def headers(upload: Upload, file: photo.Download) -> dict[str, str]:
    """What is said beside a file of it: its width and height in px, and how the result was made."""
    told = {
        "X-Width": file.width, "X-Height": file.height, "X-Model": upload.facts.get("model"),
        "X-Processing-Time": processing_time(upload),
    }  # fmt: skip
    return {name: str(value) for name, value in told.items() if value is not None}


def progress(upload: Upload) -> int:
    """Percent of its steps that are done."""
    if upload.status == Status.COMPLETED:
        return 100
    return min(100, 100 * upload.steps_done // upload.steps_total) if upload.steps_total else 0


def processing_time(upload: Upload) -> float | None:
    """Seconds of work that its result took."""
    timings = upload.facts.get("timings")
    return round(sum(timings.values()), 2) if timings else None


def _source(upload: Upload) -> File | None:
    if not upload.source:
        return None
    return File(
        url=public.upload_address(upload.pk, "original"), format=upload.source_format, width=upload.source_width or 0,
        height=upload.source_height or 0, bytes=upload.source_bytes or 0, sha256=upload.source_sha256,
    )  # fmt: skip
