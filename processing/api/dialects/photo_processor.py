"""photo_processor's addresses and answers: files in, a job to ask after, its results."""

from base64 import b64encode
from typing import Any
from weakref import WeakSet

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Length
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Router
from pydantic import BaseModel

from processing import access, catalogue, installed, messages, progress, public, storage
from processing.api import auth, body, once
from processing.api.shapes import job as job_shape
from processing.api.shapes import upload as shape
from processing.delivery import archive, photo
from processing.errors import PhotoError
from processing.intake import photos
from processing.models import Job, Upload, Variant
from processing.recipe import Recipe, addition

router = Router(tags=["photo_processor"])

SPELLINGS = {"siluette": "silueta"}
MOST_INSIDE = 20 * settings.MB  # characters of base64 in one answer
MOST_LARGE = 4  # answers with files inside at once
LARGE: "WeakSet[HttpResponse]" = WeakSet()
RESULTS = Variant.objects.filter(
    Q(name="result") | Q(name__startswith="result-"), status=Variant.Status.COMPLETED
).order_by(Length("name"), "name")  # fmt: skip


class Asked(BaseModel):
    """Fields that we do not know are ignored, as that system does."""

    remove_bg: bool = True
    crop_face: bool = False
    model: str = ""


@router.post(
    "api/upload-and-process", auth=auth.WRITE, url_name="photo-processor-upload", operation_id="upload_and_process",
    summary="Send photos", openapi_extra=body.described(Asked, ["files"]) | once.PARAMETER,
)  # fmt: skip
def upload(request: HttpRequest, response: HttpResponse) -> Any:
    """As `files`, several or a ZIP. `X-Model` names the model that is used. Nothing accepted is 422, and no job."""
    asked, sent = body.read(request, Asked, files=["files"])
    body.one_source({"files": sent})
    recipe = Recipe(remove_bg=asked.remove_bg, crop_face=asked.crop_face, model=model_of(asked.model))
    answer = photos.accept(
        auth.owner(request), sent.getlist("files"), recipe, token=auth.token(request),
        **once.keys(request, asked, sent),
    )  # fmt: skip
    if answer.job is None:
        return job_shape.refused(answer)
    response["X-Model"] = recipe.model
    counts = f"{answer.accepted} of {answer.received} photos accepted."
    return answer.to_json() | {"status": messages.PENDING, "message": counts, "file_count": answer.accepted}


def model_of(name: str) -> str:
    """The model of that name; the best one that is installed where it is not, or may not run."""
    name = SPELLINGS.get(name, name)
    known = catalogue.MODELS.get(name)
    return name if known and known.installed and installed.is_allowed(name) else catalogue.best_installed()


@router.get(
    "api/process-status/{int:job_id}", auth=auth.READ, url_name="photo-processor-status", operation_id="process_status",
    summary="How far a job is",
)  # fmt: skip
def status(request: HttpRequest, response: HttpResponse, job_id: int, include: str = "") -> Any:
    """What the socket says, with a summary, and with `include=results` each result: the files inside where all of them
    fit and few such answers are under way, else links."""
    job = access.job(auth.who(request), job_id)
    far = progress.of(job)
    told = messages.job(job, far) | {"summary": messages.summary(far)}
    return told | {"results": results(job, response)} if include == "results" else told


def results(job: Job, response: HttpResponse) -> list[dict[str, Any]]:
    """Each result of each photo, and each photo that has none."""
    made: dict[int, list[Variant]] = {}
    for file in RESULTS.filter(upload__job=job):
        made.setdefault(file.upload_id, []).append(file)
    size = sum(4 * -(-file.bytes // 3) for files in made.values() for file in files)
    is_inside = size <= MOST_INSIDE and may_be_large(response)
    uploads = job.uploads.order_by("position")
    return [_result(upload, file, is_inside) for upload in uploads for file in made.get(upload.pk, [None])]


def may_be_large(response: HttpResponse) -> bool:
    """Each is held in memory several times over. Its place is free once it is gone, whether it was sent or not."""
    LARGE.add(response)
    if len(LARGE) > MOST_LARGE:
        LARGE.discard(response)
    return response in LARGE


def _result(upload: Upload, file: Variant | None, is_inside: bool) -> dict[str, Any]:
    told = {
        "upload_id": upload.pk, "original_filename": upload.name, "status": messages.WORDS[upload.status],
        "error": upload.error_message or None, "filename": None, "data": None, "url": None,
    }  # fmt: skip
    if file is None:
        return told
    name = photo.file_name(upload.name, file.format, addition(file.name))
    data = _data_url(file) if is_inside else None
    return told | {"filename": name, "data": data, "url": public.upload_address(upload.pk, file.name)}


def _data_url(file: Variant) -> str | None:
    try:
        return f"data:{photo.content_type(file.format)};base64,{b64encode(storage.read(file.key)).decode()}"
    except PhotoError:  # gone from the disk, or the disk does not answer: the link says so too
        return None


@router.get(
    "api/download-results/{int:job_id}", auth=auth.READ, url_name="photo-processor-results",
    operation_id="download_results", summary="The results of a job",
)  # fmt: skip
def download(request: HttpRequest, job_id: int, format: str = "") -> HttpResponseBase:
    """The one file where that is all, else a ZIP of what is done by now; with `format=zip` always a ZIP."""
    job = access.job(auth.who(request), job_id)
    made = list(RESULTS.filter(upload__job=job).select_related("upload")[:2])
    if not made:
        raise PhotoError("nothing_to_do", reason="There is no result yet")
    if format == "zip" or len(made) > 1 or job.is_open or progress.of(job).active:
        return archive.response(request, archive.zip_of(job, job.uploads.all()))
    return shape.file(request, made[0].upload, made[0].name, save=True)
