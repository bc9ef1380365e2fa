"""What a recipe can be made of: its fields, the models, presets, and pictures to lie behind subjects."""

from datetime import datetime
from typing import Any, Literal

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from ninja import Query, Router, Schema, Status
from pydantic import BaseModel, ConfigDict, Field

from processing import access, backgrounds, installed, presets
from processing.api import auth, body, once, pages
from processing.api.body import SAFE
from processing.api.shapes.upload import HASH
from processing.catalogue import FACES, Speed
from processing.delivery import photo
from processing.models import BackgroundImage
from processing.recipe import IMAGE, Recipe

router = Router(tags=["catalogue"])

FILES = ("file", "image")
MODEL: dict[str, Any] = {
    "name": "u2netp", "title": "Fastest, for plain shapes", "finds": "subjects", "tier": "fast", "installed": True,
    "allowed": True, "default": True, "seconds": 0.42, "licence": "Apache-2.0",
    "command": ".venv/bin/python manage.py fetch_weights u2netp",
}  # fmt: skip
PRESET: dict[str, Any] = {
    "id": None, "name": "white", "title": "On white", "shared": True, "recipe": {"background": "white", "format": "jpg"}
}  # fmt: skip
FIELDS: dict[str, Any] = {
    "quality": {"type": "integer", "title": "Quality", "minimum": 1, "maximum": 100, "default": 85}
}
PICTURE: dict[str, Any] = {
    "id": 5, "name": "wood.jpg", "background": f"{IMAGE}{HASH}", "format": "jpeg", "width": 1600, "height": 1200,
    "bytes": 284000, "created_at": "2025-03-04T10:15:00Z", "url": "https://photos.example.com/api/v1/backgrounds/5/file",
}  # fmt: skip


class Model(Schema):
    """A network: what it is good for, and whether and how fast it runs here."""

    model_config = ConfigDict(json_schema_extra={"examples": [MODEL]})

    name: str
    title: str
    finds: Literal["subjects", "faces"]
    tier: Speed
    installed: bool
    allowed: bool = Field(description="Else an operator has to turn it on, as its licence forbids commercial use.")
    default: bool = Field(description="Taken where a recipe names none.")
    seconds: float | None = Field(description="For a photo here, in the middle; null where it was not used yet.")
    licence: str
    command: str = Field(description="Installs it, on the server.")


class Models(Schema):
    results: list[Model]


class PresetOut(Schema):
    """A recipe with a name. `id` is null where every house has it."""

    model_config = ConfigDict(json_schema_extra={"examples": [PRESET]})

    id: int | None
    name: str
    title: str
    shared: bool = Field(description="There for everybody.")
    recipe: dict[str, Any]


class Presets(Schema):
    results: list[PresetOut]


class Fields(Schema):
    """The fields of a recipe by name, each as JSON Schema."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"fields": FIELDS}]})

    fields: dict[str, dict[str, Any]]


class NewBackground(BaseModel):
    """A picture, judged as a photo is."""

    model_config = ConfigDict(extra="forbid")


class Background(Schema):
    """A picture; `background` is what a recipe calls it. Width and height in px."""

    model_config = ConfigDict(json_schema_extra={"examples": [PICTURE]})

    id: int
    name: str
    background: str
    format: str
    width: int
    height: int
    bytes: int
    created_at: datetime
    url: str


# ---- what there is --------------------------------------------------------------------------------------------------


@router.get(
    "models", auth=auth.READ, url_name="v1-models", operation_id="list_models", summary="Models", response=Models
)  # fmt: skip
def models(request: HttpRequest) -> Any:
    """All that the house knows, those too that are not installed. The last one finds faces."""
    return {"results": [_model(one) for one in installed.models()]}


def _model(one: installed.Installed) -> Model:
    weights = one.weights
    return Model(
        name=weights.name, title=weights.about, finds="faces" if weights == FACES else "subjects", tier=weights.speed,
        installed=one.is_installed, allowed=one.may_run, default=one.is_default, seconds=one.seconds,
        licence=weights.licence, command=one.command,
    )  # fmt: skip


@router.get(
    "presets", auth=auth.READ, url_name="v1-presets", operation_id="list_presets", summary="Presets", response=Presets
)  # fmt: skip
def listed_presets(request: HttpRequest) -> Any:
    """Those that every house has, the own, and those that others share, with the whole recipe of each."""
    owner = auth.owner(request)
    built_in = [
        PresetOut(id=None, name=one.name, title=one.title, shared=True, recipe=one.recipe.to_json())
        for one in presets.BUILT_IN.values()
    ]
    saved = [
        PresetOut(
            id=one.pk, name=one.name, title=one.name, shared=one.is_shared,
            recipe=presets.opened(owner, one)[0].to_json(),
        )
        for one in presets.listed(auth.who(request))
    ]  # fmt: skip
    return {"results": built_in + saved}


@router.get(
    "recipe", auth=auth.READ, url_name="v1-recipe", operation_id="get_recipe", summary="Fields of a recipe",
    response=Fields,
)  # fmt: skip
def recipe(request: HttpRequest) -> Any:
    """What each field takes, and what it is where it is not sent."""
    fields, defaults = Recipe.model_json_schema()["properties"], Recipe().to_json()
    return {"fields": {name: {**field, "default": defaults[name]} for name, field in fields.items()}}


# ---- backgrounds ----------------------------------------------------------------------------------------------------


@router.get(
    "backgrounds", auth=auth.READ, url_name="v1-backgrounds", operation_id="list_backgrounds", summary="Backgrounds",
    response=pages.Page[Background],
)  # fmt: skip
def listed_backgrounds(request: HttpRequest, asked: Query[pages.Asked]) -> Any:
    """The own, and those of operators, the newest first."""
    rows = access.backgrounds(access.owner_id(auth.who(request)))
    return pages.page(request, asked, rows, "-pk", lambda found: [_background(image) for image in found])


@router.post(
    "backgrounds", auth=auth.WRITE, url_name="v1-backgrounds", operation_id="create_background",
    summary="Send a background", response={201: Background},
    openapi_extra=body.described(NewBackground, FILES) | once.PARAMETER,
)  # fmt: skip
def add(request: HttpRequest, response: HttpResponse) -> Any:
    """As `file`. The same picture sent again is kept once, and answered alike."""
    access.need_wide(auth.who(request))
    sent, files = body.read(request, NewBackground, FILES)
    file = body.one_file(files, FILES)
    found = backgrounds.judge(file)

    def work() -> dict[str, Any]:
        return _background(backgrounds.keep(auth.owner(request), file, found)).model_dump(mode="json")

    made = once.answer(request, sent, work, files)
    response["Location"] = _address(made["id"])
    return Status(201, made)


@router.api_operation(
    SAFE, "backgrounds/{int:background_id}/file", auth=auth.READ, url_name="v1-background-file",
    operation_id="get_background_file", summary="The picture of a background",
    openapi_extra=body.stored_file_of(*photo.TYPES),
)  # fmt: skip
def background_file(request: HttpRequest, background_id: int) -> HttpResponseBase:
    """As it was sent."""
    image = access.background(auth.who(request), background_id)
    return photo.response(request, photo.of_background(image), save=False, max_age=0)


@router.get(
    "backgrounds/{int:background_id}", auth=auth.READ, url_name="v1-background", operation_id="get_background",
    summary="One background", response=Background,
)  # fmt: skip
def one_background(request: HttpRequest, background_id: int) -> Any:
    """What it is, and what a recipe calls it."""
    return _background(access.background(auth.who(request), background_id))


@router.delete(
    "backgrounds/{int:background_id}", auth=auth.WRITE, url_name="v1-background", operation_id="delete_background",
    summary="Delete a background", response={204: None},
)  # fmt: skip
def delete(request: HttpRequest, background_id: int) -> Any:
    """One of the own. Photos that still wait for it fail."""
    backgrounds.delete(access.background(auth.who(request), background_id, to_change=True))
    return Status(204, None)


def _background(image: BackgroundImage) -> Background:
    return Background(
        id=image.pk, name=image.name, background=backgrounds.value_of(image), format=image.format, width=image.width,
        height=image.height, bytes=image.bytes, created_at=image.created_at, url=f"{_address(image.pk)}/file",
    )  # fmt: skip


def _address(pk: int) -> str:
    return settings.URL + reverse("api-1:v1-background", args=[pk])
