"""Jobs: made of what is sent, added to, and listed."""

from typing import Any, Literal

from django.core.files import File
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema, Status
from pydantic import ConfigDict, Field

from processing import access, history, presets
from processing.api import auth, body, once, pages
from processing.api.problems import Invalid, pointer
from processing.api.shapes import job as shape
from processing.api.shapes import upload as upload_shape
from processing.api.shapes.asked import Moment
from processing.api.v1.job import shown
from processing.intake import addresses, look, photos, products
from processing.intake.answer import Answer
from processing.intake.names import plain
from processing.models import Job
from processing.models import Status as State
from processing.recipe import Recipe

router = Router(tags=["jobs"])

FILES = ("files",)
LONGEST = 2048
Texts = body.Many[str]
MOST = 10_000  # past settings.MAX_FILES they are refused one by one
IMAGE_URLS: Any = Field([], max_length=MOST, description="Addresses of photos, which this server fetches.")
S3_KEYS: Any = Field(
    [], max_length=MOST, description="Keys that POST uploads/presigned gave, or of the bucket's folder that is for all."
)
EXAMPLE: dict[str, Any] = {"image_urls": ["https://example.com/shoe.jpg"]}


class Sources(Schema):
    """Photos, in one way only: as files, at addresses, or in a bucket."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    image_urls: Texts = IMAGE_URLS
    s3_keys: Texts = S3_KEYS


class NewJob(Recipe):
    """What was sent, in one way only, and what is to be done with it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [EXAMPLE | {"name": "Spring", "background": "#ffffff", "format": "jpg"}]}
    )

    image_urls: Texts = IMAGE_URLS
    s3_keys: Texts = S3_KEYS
    name: str = Field("", max_length=history.LONGEST, description="Without one, it is called as its first file.")
    preset: int | str = Field("", description="A preset's name or number; what else is sent changes it.")
    callback_url: str = Field("", max_length=LONGEST, description="Is told once that the job has ended.")
    open: bool = Field(False, description="More files come: the job waits for POST …/close, or for ten minutes.")
    preflight: bool = Field(False, description="A product CSV waits for POST …/start.")


@router.post(
    "jobs", auth=auth.WRITE, url_name="v1-jobs", operation_id="create_job", summary="Send photos, a ZIP or a CSV",
    response={202: shape.Answered}, openapi_extra=body.described(NewJob, FILES) | once.PARAMETER,
)  # fmt: skip
def create(request: HttpRequest) -> Any:
    """As `files` (photos and ZIPs, or one product CSV), or as `image_urls`, or as `s3_keys`. One bad file never refuses
    the others; where all are bad, it is 422, and there is no job. A CSV counts as one file, and starts at once
    unless `preflight` is true."""
    sent, files = body.read(request, NewJob, FILES)
    some = files.getlist("files")
    body.one_source(_sources(some, sent), may_be_none=sent.open)
    how = {"callback_url": sent.callback_url, "token": auth.token(request), **once.keys(request, sent, files)}
    if csv := look.product_csv(some):
        return _start_csv(request, sent, csv, how)
    if sent.preflight:
        raise Invalid([{"detail": "Only a product CSV waits for its start.", "pointer": pointer(["preflight"])}])
    recipe = _recipe(request, sent) or Recipe()
    how |= {"name": sent.name, "open": sent.open}
    if sent.s3_keys:
        answer = addresses.accept_keys(auth.owner(request), sent.s3_keys, recipe, **how)
    elif sent.image_urls:
        answer = addresses.accept(auth.owner(request), sent.image_urls, recipe, **how)
    else:
        answer = photos.accept(auth.owner(request), some, recipe, **how)
    return shape.accepted(answer) if answer.job else shape.refused(answer)


def _sources(files: object, sent: NewJob | Sources) -> dict[str, object]:
    return {"files": files, "image_urls": sent.image_urls, "s3_keys": sent.s3_keys}


def _start_csv(request: HttpRequest, sent: NewJob, csv: "File[Any]", how: dict[str, Any]) -> HttpResponse:
    recipe, start = _recipe(request, sent), not sent.preflight
    job = products.accept(auth.owner(request), csv, recipe, name=sent.name, start=start, **how)
    return shape.accepted(Answer.of(job, 1, []), "queued" if start else "draft")


def _recipe(request: HttpRequest, sent: NewJob) -> Recipe | None:
    """What was chosen; None where nothing was. Raises Invalid."""
    if sent.preset == "":
        chosen = sent.model_fields_set & Recipe.model_fields.keys()
        return body.recipe_of(sent, Recipe()) if chosen else None
    base = presets.recipe_of(auth.who(request), str(sent.preset))
    if base is None:
        raise Invalid([{"detail": "There is no such preset here.", "pointer": pointer(["preset"])}])
    return body.recipe_of(sent, base)


@router.post(
    "jobs/{int:job_id}/uploads", auth=auth.WRITE, url_name="v1-job-uploads", operation_id="add_to_job",
    summary="Send more into an open job", response={202: shape.Answered},
    openapi_extra=body.described(Sources, FILES) | once.PARAMETER,
)  # fmt: skip
def add(request: HttpRequest, job_id: int) -> Any:
    """Answered as POST jobs is; where nothing of it is accepted, 422. A job that takes no more answers 409."""
    job = access.job(auth.who(request), job_id, to="change")
    sent, files = body.read(request, Sources, FILES)
    some = files.getlist("files")
    body.one_source(_sources(some, sent))
    how = once.keys(request, sent, files)
    if sent.s3_keys:
        answer = addresses.add_keys(job, auth.owner(request), sent.s3_keys, token=auth.token(request), **how)
    else:
        answer = addresses.add(job, sent.image_urls, **how) if sent.image_urls else photos.add(job, some, **how)
    return shape.refused(answer) if answer.refused and not answer.accepted else shape.accepted(answer)


@router.post(
    "jobs/{int:job_id}/close", auth=auth.WRITE, url_name="v1-job-close", operation_id="close_job",
    summary="No more files come", response={200: shape.JobOut, 204: None},
)  # fmt: skip
def close(request: HttpRequest, job_id: int) -> Any:
    """The job as it is then; 204 where no photo came, and it is gone."""
    job = access.job(auth.who(request), job_id, to="change")
    photos.close(job)
    return shown(request, job_id) if Job.objects.filter(pk=job_id).exists() else Status(204, None)


@router.post(
    "jobs/{int:job_id}/start", auth=auth.WRITE, url_name="v1-job-start", operation_id="start_job",
    summary="Start a product CSV", response=shape.JobOut,
)  # fmt: skip
def start(request: HttpRequest, job_id: int) -> Any:
    """One that was sent with `preflight`. What was started already is 409."""
    products.start(access.product_job(auth.who(request), job_id, to="change"))
    return shown(request, job_id)


# ---- looked at ------------------------------------------------------------------------------------------------------


class WantedJobs(pages.Asked):
    """Which jobs are listed."""

    status: Literal["draft", "queued", "processing", "completed", "failed", "cancelled", "review"] | None = Field(
        None,
        description="processing: also those that wait. failed, review: those in which any photo failed, is flagged.",
    )
    q: str = Field("", max_length=200, description="In the name of the job, of its photos, of its rows; its number.")
    since: Moment | None = Field(None, description="Those that were made then or later.")
    everybody: bool = Field(False, description="Of all people, for operators with the scope queue.")


@router.get(
    "jobs", auth=auth.READ, url_name="v1-jobs", operation_id="list_jobs", summary="List jobs",
    response=pages.Page[shape.JobOut],
)  # fmt: skip
def listed(request: HttpRequest, asked: Query[WantedJobs]) -> Any:
    """The newest first. A narrow token sees those that were made with it."""
    rows = access.jobs(auth.who(request), everybody=asked.everybody).select_related(*shape.WITH)
    rows = history.find(rows, plain(asked.q).strip(), asked.status or "")
    if asked.since:
        rows = rows.filter(created_at__gte=asked.since)
    return pages.page(request, asked, rows, "-pk", shape.many)


class WantedUploads(pages.Asked):
    """Which photos of a job are listed."""

    status: State | None = None


@router.get(
    "jobs/{int:job_id}/uploads", auth=auth.READ, url_name="v1-job-uploads", operation_id="list_uploads_of_job",
    summary="The photos of a job", response=pages.Page[upload_shape.UploadOut],
)  # fmt: skip
def uploads(request: HttpRequest, job_id: int, asked: Query[WantedUploads]) -> Any:
    """In the order in which they came."""
    rows = access.job(auth.who(request), job_id).uploads.all()
    if asked.status:
        rows = rows.filter(status=asked.status)
    return pages.page(request, asked, rows, "position", upload_shape.many)
