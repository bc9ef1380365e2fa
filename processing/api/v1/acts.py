"""What is done with photos that are here: tried again, cancelled, made anew, judged. With one, or with many."""

from functools import partial
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import BaseModel, ConfigDict, Field

from processing import access, verdicts
from processing.api import auth, body
from processing.api.acts import CANCEL, RETRY, Act
from processing.api.shapes import upload as shape
from processing.api.shapes.asked import Id
from processing.models import Upload
from processing.recipe import Recipe

router = Router(tags=["uploads"])

Ids = Annotated[body.Many[Id], Field(min_length=1, max_length=1000)]


class Redo(Recipe):
    """What is to change of the recipe; all else stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"background": "#ffffff", "format": "jpg"}]})


class Many(BaseModel):
    """Which photos. One that is not there refuses them all."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"upload_ids": [17, 18]}]})

    upload_ids: Ids


class RedoMany(Redo):
    """Which photos, and what is to change of the recipe of each."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"upload_ids": [17, 18], "background": "#ffffff"}]})

    upload_ids: Ids


class Changed(Schema):
    """How many photos it changed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"changed": 2}]})

    changed: int


ACTS = {  # name → summary, description, act
    "retry": ("Retry", "What failed or was cancelled is queued again.", RETRY),
    "cancel": ("Cancel", "What has not ended is cancelled. Of a redo, the result before it stays.", CANCEL),
    "accept": (
        "Accept", "A result that needs a review is good as it is.",
        Act(verdicts.accept, "Only results that need a review can be accepted"),
    ),
    "keep-original": (
        "Keep the original", "Made anew with its own background and frame.",
        Act(verdicts.keep_original, "Their originals are not here yet"),
    ),
    "undo": (
        "Undo", "The last verdict or redo is taken back.",
        Act(verdicts.undo, "There is nothing to take back"),
    ),
}  # fmt: skip


def _one(request: HttpRequest, upload_id: int, act: Act) -> Any:
    upload = access.upload(auth.who(request), upload_id, act.verb)
    act.on(Upload.objects.filter(pk=upload.pk))
    return shape.of(access.upload(auth.who(request), upload_id))


def _many(request: HttpRequest, upload_ids: list[int], act: Act) -> Any:
    return Changed(changed=act.on(access.uploads(auth.who(request), upload_ids, act.verb)))


def _redo(sent: Redo) -> Act:
    changes = {name: getattr(sent, name) for name in sent.model_fields_set & Recipe.model_fields.keys()}
    return Act(partial(verdicts.redo, changes=changes), "Their originals are not here yet")


@router.post(
    "uploads/{int:upload_id}/redo", auth=auth.WRITE, url_name="v1-upload-redo", operation_id="redo_upload",
    summary="Redo", response=shape.UploadOut, openapi_extra=body.described(Redo),
)  # fmt: skip
def redo(request: HttpRequest, upload_id: int) -> Any:
    """Made anew, with these fields of its recipe changed. The old result stays until the new one is there."""
    sent, _ = body.read(request, Redo)
    return _one(request, upload_id, _redo(sent))


@router.post(
    "uploads/redo", auth=auth.WRITE, url_name="v1-uploads-redo", operation_id="redo_uploads", summary="Redo, many",
    response=Changed, openapi_extra=body.described(RedoMany),
)  # fmt: skip
def redo_many(request: HttpRequest) -> Any:
    """Each is made anew with its own recipe, these fields of it changed."""
    sent, _ = body.read(request, RedoMany)
    return _many(request, sent.upload_ids, _redo(sent))


def _offer(name: str, summary: str, about: str, act: Act) -> None:
    """The operations of an act, on one photo and on many."""
    id = name.replace("-", "_")

    @router.post(
        f"uploads/{{int:upload_id}}/{name}", auth=auth.WRITE, url_name=f"v1-upload-{name}", operation_id=f"{id}_upload",
        summary=summary, description=about, response=shape.UploadOut,
    )  # fmt: skip
    def one(request: HttpRequest, upload_id: int) -> Any:
        return _one(request, upload_id, act)

    @router.post(
        f"uploads/{name}", auth=auth.WRITE, url_name=f"v1-uploads-{name}", operation_id=f"{id}_uploads",
        summary=f"{summary}, many", description=about, response=Changed, openapi_extra=body.described(Many),
    )  # fmt: skip
    def many(request: HttpRequest) -> Any:
        asked, _ = body.read(request, Many)
        return _many(request, asked.upload_ids, act)


for _name, (_summary, _about, _act) in ACTS.items():
    _offer(_name, _summary, _about, _act)
