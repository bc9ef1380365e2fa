"""quickbg: its paths are those of API v1, whose answers hold all of its fields; only its tasks are its own."""

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from processing import access, public
from processing.api import auth
from processing.api.shapes import upload as shape
from processing.delivery import links, photo
from processing.models import Status

router = Router(tags=["quickbg"])

Word = Literal["queued", "processing", "completed", "failed"]
WORDS: dict[str, Word] = {  # it knows four
    Status.NEW: "queued", Status.QUEUED: "queued", Status.PROCESSING: "processing", Status.COMPLETED: "completed",
    Status.FAILED: "failed", Status.CANCELLED: "failed",
}  # fmt: skip
TASK: dict[str, Any] = {
    "task_id": 17, "status": "completed", "progress": 100, "result_url": f"{shape.ADDRESS}/result",
    "presigned_url": "https://photos.example.com/links/17.1u0c7A.Yk3/processed_shoe.png", "processing_time": 1.42,
}  # fmt: skip


class Task(Schema):
    """How far an upload is."""

    model_config = ConfigDict(json_schema_extra={"examples": [TASK]})

    task_id: int = Field(description="The same as upload_id.")
    status: Word
    progress: int = Field(ge=0, le=100, description="Percent of the steps that are done.")
    result_url: str | None = Field(description="Takes the same token.")
    presigned_url: str | None = Field(
        description="Takes no token, and works for an hour, or for as long as the bucket's addresses do."
    )
    processing_time: float | None = Field(description="In seconds.")


@router.get(
    "api/v1/tasks/{int:task_id}", auth=auth.READ, url_name="quickbg-task", operation_id="get_task",
    summary="How far an upload is", response=Task,
)  # fmt: skip
def task(request: HttpRequest, task_id: int) -> Any:
    """The addresses are null until it has completed."""
    upload = access.upload(auth.who(request), task_id)
    made = photo.variant_of(upload, "result") if upload.status == Status.COMPLETED else None
    return Task(
        task_id=upload.pk, status=WORDS[upload.status], progress=shape.progress(upload),
        result_url=public.upload_address(upload.pk, made.name) if made else None,
        presigned_url=links.for_a_while(upload, made) if made else None,
        processing_time=shape.processing_time(upload) if made else None,
    )  # fmt: skip
