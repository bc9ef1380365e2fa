"""remove.bg's one operation: a photo goes in, and its cut-out comes back with the same request.

What that service does and this one does not is refused, unless it is sent at the value that asks for nothing, as
clients do.
"""

import base64
import binascii
import json
import math
from collections.abc import Callable
from functools import wraps
from threading import BoundedSemaphore
from typing import Any, BinaryIO, Literal, cast

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.core.files.base import ContentFile, File
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from ninja import Router
from ninja.decorators import decorate_view
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from processing import announce, header, public, storage
from processing.api import auth, body, once, problems
from processing.api.problems import Invalid, pointer
from processing.api.shapes import upload as shape
from processing.delivery import photo
from processing.errors import AGAIN, KINDS, PhotoError
from processing.intake import addresses, limits, photos
from processing.intake.answer import Answer
from processing.models import Status, Upload
from processing.progress import ENDED
from processing.recipe import Recipe
from processing.recipe import problems as misfits

router = Router(tags=["removebg"])

Size = tuple[int, int]

FILES = ("image_file",)
WAIT = 60  # seconds
PLACES = BoundedSemaphore(40)  # for those who wait, as each holds a thread
MEGAPIXELS = {"preview": 0.25, "small": 0.25, "regular": 0.25, "medium": 1.5, "hd": 4}  # the others: as it came
ASKS_FOR_NOTHING = {
    "type": ("auto",), "type_level": ("none", "1", "2", "latest"), "scale": ("original",), "add_shadow": ("false", "0"),
    "roi": ("0 0 100% 100%", "0% 0% 100% 100%"), "semitransparency": ("true", "1"), "bg_image_url": ("",),
}  # fmt: skip
ACROSS, DOWN = {"0%": "left", "50%": "", "100%": "right"}, {"0%": "top", "50%": "", "100%": "bottom"}
STATUSES = {401: 403, 404: 400, 409: 400, 413: 400, 415: 400, 422: 400}  # that service has no others
CODES = {"not_authenticated": "auth_failed", "rate_limited": "rate_limit_exceeded"}
FIELDS = {"background": "bg_color", "padding": "crop_margin"}  # of a recipe
ORIENTATION, SIDEWAYS = 0x0112, range(5, 9)  # EXIF


class Asked(BaseModel):
    """What is asked for, beside `image_file`."""

    model_config = ConfigDict(extra="forbid")

    image_file_b64: str = ""
    image_url: str = ""
    size: Literal["auto", "preview", "small", "regular", "medium", "hd", "full", "4k", "50MP"] = "preview"
    format: Literal["auto", "png", "jpg", "webp"] = "auto"
    channels: Literal["rgba", "alpha"] = "rgba"
    bg_color: str = ""
    crop: bool = False
    crop_margin: str = "0"
    position: str = "original"

    @model_validator(mode="before")
    @classmethod
    def _without_what_asks_for_nothing(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        nothing = {name for name, words in ASKS_FOR_NOTHING.items() if str(values.get(name)).lower() in words}
        return {name: value for name, value in values.items() if name not in nothing}


def in_that_shape(run: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Says every problem, those of token and rate too, as that service says its errors."""

    @wraps(run)
    def shaped(request: HttpRequest, **path: Any) -> HttpResponseBase:
        answer = run(request, **path)
        if isinstance(answer, HttpResponse) and answer.get("Content-Type") == problems.CONTENT_TYPE:
            answer.content = json.dumps({"errors": _errors(json.loads(answer.content))})
            answer.status_code = STATUSES.get(answer.status_code, answer.status_code)
            answer["Content-Type"] = "application/json"
        return answer

    return shaped


def _errors(problem: dict[str, Any]) -> list[dict[str, str]]:
    code = CODES.get(problem["code"], problem["code"])
    fields = problem.get("errors", [])
    titles = [f"{one['pointer'].removeprefix('#/')}: {one['detail']}" for one in fields] or [problem["detail"]]
    return [{"title": title, "code": code} for title in titles]


@router.post(
    "v1.0/removebg", auth=auth.WRITE, url_name="removebg", operation_id="removebg",
    summary="Remove the background", openapi_extra=body.described(Asked, FILES) | once.PARAMETER,
)  # fmt: skip
@decorate_view(in_that_shape)
def removebg(request: HttpRequest) -> HttpResponseBase:
    """The cut-out of one photo: an image, or JSON where that is what is accepted.

    Where it takes more than a minute the answer is 503: the work goes on, and `Location` says where to look. While too
    many wait it is 429, and nothing is made.
    """
    if not PLACES.acquire(blocking=False):
        return _later(problems.of(PhotoError("rate_limited", seconds=AGAIN)))
    try:
        return _removed(request)
    finally:
        PLACES.release()


def _removed(request: HttpRequest) -> HttpResponseBase:
    asked, files = body.read(request, Asked, FILES, most=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    answer = _send(request, asked, files)
    if answer.job is None:
        return problems.answer(422, answer.refused[0].code, answer.refused[0].detail)
    upload = _ended(answer.job.pk)
    if upload.status == Status.COMPLETED:
        return _cut_out(request, upload)
    if upload.status in ENDED:
        kind = KINDS.get(upload.error_code, KINDS["internal_error"])
        return problems.answer(kind.status, upload.error_code, f"{upload.error_message} {upload.error_remedy}".strip())
    late = problems.answer(503, "timeout", f"It takes more than {WAIT} s. The work goes on: look at Location.")
    late["Location"] = public.upload_address(upload.pk)
    return _later(late)


def _later(response: HttpResponse) -> HttpResponse:
    response["Retry-After"] = str(AGAIN)
    return response


# ---- in ------------------------------------------------------------------------------------------------------------


def _send(request: HttpRequest, asked: Asked, files: body.Files) -> Answer:
    """A job of this one photo. Raises Invalid, and PhotoError as the doors do."""
    body.one_source({"image_file": files, "image_file_b64": asked.image_file_b64, "image_url": asked.image_url})
    owner, how = auth.owner(request), {"token": auth.token(request), **once.keys(request, asked, files)}
    if asked.image_url:
        return addresses.accept(owner, [asked.image_url], _recipe(asked, None), **how)
    file = body.one_file(files, FILES) if files else _decoded(asked.image_file_b64)
    return photos.accept(owner, [file], _recipe(asked, _upright(file)), **how)


def _decoded(text: str) -> "ContentFile[bytes]":
    """A photo that came as base64, with or without `data:image/png;base64,` before it."""
    try:
        return ContentFile(base64.b64decode(text.rpartition(",")[2], validate=True), "photo")
    except (binascii.Error, ValueError):
        raise PhotoError("failed_to_read_image", reason="it is not base64") from None


def _upright(file: "File[Any]") -> Size:
    """Its width and height in px as it is looked at. Raises PhotoError where it is no photo that this house takes."""
    with header.reading():
        image = header.opened(cast(BinaryIO, file.file), file.size, limits.house())
        wide, high = image.size
        is_turned = image.getexif().get(ORIENTATION) in SIDEWAYS
    file.seek(0)
    return (high, wide) if is_turned else (wide, high)


def _recipe(asked: Asked, photo_size: Size | None) -> Recipe:
    """What is asked for as a recipe; the size of a photo that is still to be fetched is not known. Raises Invalid."""
    values: dict[str, Any] = {
        "format": asked.format, "channels": asked.channels, "background": asked.bg_color or "transparent",
        "variants": ("thumbnail", "preview"), **_framed(asked, photo_size),
    }  # fmt: skip
    try:
        return Recipe(**values)
    except ValidationError as error:
        raise Invalid(
            {"detail": sentence, "pointer": pointer([FIELDS.get(field, field)])} for field, sentence in misfits(error)
        ) from None


def _framed(asked: Asked, photo_size: Size | None) -> dict[str, Any]:
    """Size, crop and position. The picture gets no more px than asked for: `size` is the square it fits into then."""
    size = _limited(photo_size, MEGAPIXELS.get(asked.size))
    if asked.crop:
        return {"trim": True, "padding": _margin(asked.crop_margin), "size": f"{max(size)}x{max(size)}" if size else ""}
    if asked.position != "original":
        return {"trim": True, "fit": "pad", "position": _gravity(asked.position), "size": _canvas(size or photo_size)}
    return {"size": f"{max(size)}x{max(size)}" if size else ""}


def _limited(size: Size | None, megapixels: float | None) -> Size | None:
    """The width and height that so many megapixels leave of it; None where it stays as it is."""
    if megapixels is None:
        return None
    wide, high = size or (1, 1)
    scale = math.sqrt(megapixels * 1_000_000 / (wide * high))
    return None if size and scale >= 1 else (int(wide * scale), int(high * scale))


def _margin(text: str) -> str:
    """One margin for all sides, as a recipe has it. Raises Invalid."""
    sides = set(text.split())
    if len(sides) != 1:
        raise Invalid([{"detail": "It is one margin for all sides: 30px, 10%.", "pointer": pointer(["crop_margin"])}])
    return sides.pop()


def _gravity(text: str) -> str:
    """Where the subject lies: center, or from the left and the top at 0%, 50% or 100%. Raises Invalid."""
    words = ["50%"] if text == "center" else text.split()
    if not 1 <= len(words) <= 2 or words[0] not in ACROSS or words[-1] not in DOWN:
        detail = "It is original, center, or 0%, 50% or 100% from the left and from the top: 50% 100%."
        raise Invalid([{"detail": detail, "pointer": pointer(["position"])}])
    return "-".join(filter(None, [DOWN[words[-1]], ACROSS[words[0]]])) or "center"


def _canvas(size: Size | None) -> str:
    if size is None:
        raise Invalid([{"detail": "It needs the photo itself: send image_file.", "pointer": pointer(["position"])}])
    return f"{size[0]}x{size[1]}"


# ---- out -----------------------------------------------------------------------------------------------------------


def _ended(job_id: int) -> Upload:
    """The photo once it has ended, or as it is when the time is over. Waiting holds no connection to the database."""
    return async_to_sync(announce.until)(job_id, sync_to_async(lambda: _look(job_id)), WAIT)


def _look(job_id: int) -> tuple[Upload, bool]:
    upload = Upload.objects.get(job_id=job_id)
    close_old_connections()
    return upload, upload.status in ENDED


def _cut_out(request: HttpRequest, upload: Upload) -> HttpResponseBase:
    file = photo.download(upload, "result")
    if file is None:
        raise PhotoError("original_missing")
    left, top, right, bottom = upload.facts.get("subject_box") or (0, 0, file.width, file.height)
    subject = {"top": top, "left": left, "width": right - left, "height": bottom - top}
    if request.get_preferred_type(["image/*", "application/json"]) == "application/json":
        data = base64.b64encode(storage.read(file.key)).decode()
        answer: HttpResponseBase = JsonResponse(
            {"data": {"result_b64": data, **{f"foreground_{name}": value for name, value in subject.items()}}}
        )
    else:
        answer = photo.response(request, file, save=False, max_age=0)
    told = {f"X-Foreground-{name.title()}": str(value) for name, value in subject.items()}
    for name, value in (told | shape.headers(upload, file) | {"X-Type": "other", "X-Credits-Charged": "0"}).items():
        answer.headers[name] = value
    return answer
