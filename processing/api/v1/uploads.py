"""Photos one by one: listed, sent, looked at, fetched."""

from datetime import datetime
from typing import Any, Literal

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from ninja import Query, Router, Schema
from pydantic import ConfigDict, Field

from processing import access, public
from processing.api import auth, body, once, pages
from processing.api.body import SAFE
from processing.api.shapes import job as job_shape
from processing.api.shapes import upload as shape
from processing.api.shapes.asked import Moment
from processing.delivery import photo
from processing.intake import addresses, photos, posted
from processing.intake.answer import Answer, Refused
from processing.models import Status, Upload
from processing.recipe import Recipe

router = Router(tags=["uploads"])

FILES = ("file", "files", "image")
MOST = 10_000  # past settings.MAX_FILES they are refused one by one
SHOE: dict[str, Any] = {"name": "shoe.jpg", "size": 482113, "type": "image/jpeg"}
LEAVE: dict[str, Any] = {
    "name": "shoe.jpg", "key": "7/incoming/0f3c9a7be2d14c58a6f1d2b7c8e90a13",
    "url": "https://photos.s3.eu-central-1.amazonaws.com/",
    "fields": {
        "key": "7/incoming/0f3c9a7be2d14c58a6f1d2b7c8e90a13", "Content-Type": "image/jpeg", "policy": "eyJleHBp…",
        "x-amz-signature": "5b1e…",
    },
}  # fmt: skip
QUEUED: dict[str, Any] = {"upload_id": 17, "task_id": 17, "job_id": 3, "status": "queued", "message": "Queued."}


class AskedUploads(pages.Asked):
    """Which photos are listed."""

    job: int | None = Field(None, description="Those of this job, in their order.")
    status: Status | None = None
    since: Moment | None = Field(None, description="Those that changed then or later.")


class NewUpload(Recipe):
    """One photo, from a file or an address or a bucket, and what is to be done with it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"image_url": "https://example.com/shoe.jpg", "format": "png"}]}
    )

    image_url: str = Field("", max_length=2048)
    s3_key: str = Field("", max_length=1024, description="As in s3_keys of POST jobs.")
    callback_url: str = Field("", max_length=2048, description="Is told once that the photo has ended.")


class FileToSend(Schema):
    """A file that is to be sent straight into the bucket."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [SHOE]})

    name: str = Field(max_length=1024)
    size: int = Field(ge=0, le=2**63 - 1, description="In bytes.")
    type: str = Field("", max_length=100, description="Such as image/jpeg; empty where it is not known.")


class FilesToSend(Schema):
    """Files that are to be sent straight into the bucket."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"files": [SHOE]}]})

    files: list[FileToSend] = Field(
        min_length=1, max_length=MOST, description="100 are answered, unless set otherwise."
    )


class Leave(Schema):
    """Send a form with these fields, then the file as `file`, to this address; then name the key in `s3_keys`."""

    model_config = ConfigDict(json_schema_extra={"examples": [LEAVE]})

    name: str
    key: str = Field(description="Works once, for its owner.")
    url: str
    fields: dict[str, str]


class Leaves(Schema):
    """For each file, in order, leave to send it, or why there is none."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"expires_at": "2025-03-04T11:15:00Z", "files": [LEAVE]}]}
    )

    expires_at: datetime
    files: list[Leave | job_shape.Refused]


class Accepted(Schema):
    """Where the new photo is found."""

    model_config = ConfigDict(json_schema_extra={"examples": [QUEUED]})

    upload_id: int
    task_id: int = Field(description="The same as upload_id.")
    job_id: int
    status: Literal["queued"]
    message: str


@router.get(
    "uploads", auth=auth.READ, url_name="v1-uploads", operation_id="list_uploads", summary="Photos",
    response=pages.Page[shape.UploadOut],
)  # fmt: skip
def listed(request: HttpRequest, asked: Query[AskedUploads]) -> Any:
    """The newest first; those of one job in their order."""
    who = auth.who(request)
    rows = Upload.objects.filter(job__in=access.jobs(who))
    if asked.job is not None:
        rows = Upload.objects.filter(job=access.job(who, asked.job))
    if asked.status:
        rows = rows.filter(status=asked.status)
    if asked.since:
        rows = rows.filter(changed_at__gte=asked.since)
    return pages.page(request, asked, rows, "-pk" if asked.job is None else "position", shape.many)


@router.post(
    "uploads", auth=auth.WRITE, url_name="v1-uploads", operation_id="create_upload", summary="Send one photo",
    response={202: Accepted}, openapi_extra=body.described(NewUpload, FILES) | once.PARAMETER,
)  # fmt: skip
def create(request: HttpRequest, response: HttpResponse) -> Any:
    """As `file` (or `image`), or from `image_url`, or `s3_key`. It becomes a job of its own; several photos, a ZIP or a
    CSV belong in POST jobs."""
    sent, files = body.read(request, NewUpload, FILES)
    found = _take_in(request, sent, files)
    if found.job is None:
        return job_shape.refused(found)
    upload = found.job.uploads.order_by("position").first()
    if upload is None:  # deleted in between
        raise Http404("There is no such photo here.")
    response["Location"] = public.upload_address(upload.pk)
    return Accepted(upload_id=upload.pk, task_id=upload.pk, job_id=found.job.pk, status="queued", message="Queued.")


def _take_in(request: HttpRequest, sent: NewUpload, files: body.Files) -> Answer:
    body.one_source({"file": files, "image_url": sent.image_url, "s3_key": sent.s3_key})
    recipe = body.recipe_of(sent, Recipe())
    how = {"token": auth.token(request), "callback_url": sent.callback_url, **once.keys(request, sent, files)}
    if files:
        return photos.accept(auth.owner(request), [body.one_file(files, FILES)], recipe, **how)
    if sent.s3_key:
        return addresses.accept_keys(auth.owner(request), [sent.s3_key], recipe, **how)
    return addresses.accept(auth.owner(request), [sent.image_url], recipe, **how)


@router.post(
    "uploads/presigned", auth=auth.WRITE, url_name="v1-presigned", operation_id="presign_uploads",
    summary="Send photos straight into the bucket", response=Leaves,
    openapi_extra=body.described(FilesToSend, forms=False) | once.PARAMETER,
)  # fmt: skip
def presigned(request: HttpRequest) -> Any:
    """Leave to send each of these photos. What a job does not name within a day is removed. A ZIP or a CSV is sent as a
    file, and so is everything where 409 `no_direct_uploads` says that this server's files live on its own disk."""
    sent, _ = body.read(request, FilesToSend)

    def work() -> dict[str, Any]:
        answers = posted.leave(auth.owner(request), [posted.Wanted(**one.model_dump()) for one in sent.files])
        return Leaves(expires_at=posted.until(), files=[_leave(one) for one in answers]).model_dump(mode="json")

    return once.answer(request, sent, work)


def _leave(one: posted.Leave | Refused) -> Leave | job_shape.Refused:
    if isinstance(one, Refused):
        return job_shape.Refused(name=one.name, code=one.code, detail=one.detail)
    return Leave(name=one.name, key=one.key, url=one.post.url, fields=one.post.fields)


@router.get(
    "uploads/{int:upload_id}", auth=auth.READ, url_name="v1-upload", operation_id="get_upload", summary="One photo",
    response=shape.UploadOut,
)  # fmt: skip
def one(request: HttpRequest, upload_id: int) -> Any:
    """Its state, its files, its error."""
    return shape.of(access.upload(auth.who(request), upload_id))


@router.api_operation(
    SAFE, "uploads/{int:upload_id}/{slug:variant}", auth=auth.READ, url_name="v1-upload-file",
    operation_id="get_upload_file", summary="A file of a photo", openapi_extra=body.stored_file_of(*photo.TYPES),
)  # fmt: skip
def file(request: HttpRequest, upload_id: int, variant: str) -> HttpResponseBase:
    """`result`, `original`, or one of its variants. X-Width and X-Height are in px, X-Processing-Time is in seconds;
    ETag and Range are understood. Where the photos lie in a bucket, a page that asks with a session gets 302."""
    return shape.file(request, access.upload(auth.who(request), upload_id), variant)
