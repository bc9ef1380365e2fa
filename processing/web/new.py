"""A new job: the page, its plain form, and what its script sends in several requests."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files import File
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from processing import access, allowances, backgrounds, catalogue, installed, presets, storage
from processing.errors import PhotoError
from processing.intake import addresses, look, photos, products
from processing.intake.names import plain
from processing.models import Preset
from processing.recipe import IMAGE, Recipe
from processing.web import answers
from processing.web.backgrounds import shown
from processing.web.forms import SWATCHES, RecipeForm, values

FORMATS = "JPEG, PNG, WEBP, HEIC, AVIF, TIFF, BMP, GIF"
FIELDS = {
    "model_not_installed": "model",
    "model_not_allowed": "model",
    "background_missing": "background",
}  # where a form shows an error
BACKGROUNDS_SHOWN = 12


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _first_page(request)
    form = form_of(request)
    if csv := look.product_csv(request.FILES.getlist("files")):
        return _hand_on(request, form, csv)
    if not form.is_valid():
        return page_of(request, form, status=422)
    try:
        answer = _accept(request, form.recipe)
    except PhotoError as error:
        return _failed(request, form, error)
    if answer.job is None:
        if not answer.received:
            form.add_error(None, "No file was chosen.")
        return page_of(request, form, status=422, answer=answer)
    return HttpResponseRedirect(reverse("job", args=[answer.job.pk]), status=303)


def _first_page(request: HttpRequest) -> HttpResponse:
    """The form as the preset fills that the address names, else the person's default one."""
    person = access.person(request)
    filled = filled_by(person, request.GET.get("preset", ""), presets.default_of(person))
    if filled is None:
        return page_of(request, RecipeForm())
    return page_of(request, RecipeForm(recipe=filled.recipe), preset=filled.preset, lost=filled.lost)


@dataclass(frozen=True)
class Filled:
    """What a preset fills the options with: a saved one, where it is one, and what is lost of it."""

    recipe: Recipe
    preset: Preset | None = None
    lost: Sequence[str] = ()


def filled_by(person: User, named: str, otherwise: Preset | None = None) -> Filled | None:
    """By the preset of this name or number; None where the words name none. Raises Http404 for another's."""
    if named in presets.BUILT_IN:
        return Filled(presets.BUILT_IN[named].recipe)
    number = answers.numbers([named])
    chosen = access.preset(person, number[0]) if number else otherwise
    if chosen is None:
        return None
    recipe, lost = presets.opened(person, chosen)
    return Filled(recipe, chosen, lost)


def form_of(request: HttpRequest) -> RecipeForm:
    """The recipe that was sent. A picture that came with it is kept, and is its background."""
    data, file, problem = request.POST.dict(), request.FILES.get("background_image"), ""
    if file:
        try:
            data["background"] = backgrounds.value_of(backgrounds.accept(access.person(request), file))
        except PhotoError as error:
            problem = error.detail
    form = RecipeForm(data)
    if problem:
        form.add_error("background", problem)
    return form


def _hand_on(request: HttpRequest, form: RecipeForm, csv: "File[Any]") -> HttpResponse:
    """A product CSV has a page of its own, and options of its own where none were chosen here."""
    recipe = None
    if form.changes or "background" in form.errors:
        if not form.is_valid():
            return page_of(request, form, status=422)
        recipe = form.recipe
    try:
        job = products.accept(access.person(request), csv, recipe, key=request.POST.get("key", ""))
    except PhotoError as error:
        return _failed(request, form, error)
    return HttpResponseRedirect(reverse("product", args=[job.pk]), status=303)


def _accept(request: HttpRequest, recipe: Recipe, *, open: bool = False) -> photos.Answer:
    person, name, key = access.person(request), request.POST.get("name", ""), request.POST.get("key", "")
    if keys := _keys(request):
        return addresses.accept_keys(person, keys, recipe, name=name, open=open, key=key)
    return photos.accept(person, request.FILES.getlist("files"), recipe, name=name, open=open, key=key)


def _keys(request: HttpRequest) -> list[str]:
    """Of photos that the page's script sent straight into the bucket."""
    return [plain(key) for key in request.POST.getlist("s3_keys")]


def page_of(
    request: HttpRequest, form: RecipeForm, *, status: int = 200, answer: photos.Answer | None = None, **more: Any
) -> HttpResponse:
    """The page with this form; `more` goes to the template."""
    context: dict[str, Any] = {
        "form": form,
        "home": reverse("new-job"),
        **choices(access.person(request), form),
        **more,
        "limits": {
            "max_file_mb": settings.MAX_FILE_BYTES // settings.MB, "max_side": settings.MAX_SIDE,
            "min_side": settings.MIN_SIDE, "max_files": settings.MAX_FILES,
            "max_entries": settings.MAX_ARCHIVE_ENTRIES, "formats": FORMATS,
        },
        "allowed": allowances.of(access.person(request).pk).values(),
        "key": uuid.uuid4().hex,
        "sends_directly": storage.origin() is not None,
        "refused": answer.refused if answer else (),
        "received": answer.received if answer else 0,
        "accepted": answer.accepted if answer else 0,
    }  # fmt: skip
    return render(request, "jobs/new.html", context, status=status)


def choices(person: User, form: RecipeForm) -> dict[str, Any]:
    """The presets, the backgrounds and the models that the options offer."""
    rows = access.backgrounds(person.pk).order_by("-created_at")
    chosen = rows.filter(sha256=plain(form["background"].value() or "").removeprefix(IMAGE))[:1]
    images = {image.sha256: image for image in (*chosen, *rows[:BACKGROUNDS_SHOWN])}
    changes = form.changes
    return {
        "built_in": [
            {"name": one.name, "title": one.title, "is_shown": _changes(one.name) == changes}
            for one in presets.BUILT_IN.values()
        ],
        "saved": presets.listed(person),
        "swatches": SWATCHES,
        "images": [shown(image) for image in images.values()],
        "models": [one for one in installed.models() if one.weights.name in catalogue.MODELS and one.may_run],
    }


@cache
def _changes(name: str) -> dict[str, Any]:
    """What a preset that every house has changes of the form."""
    return RecipeForm(recipe=presets.BUILT_IN[name].recipe).changes


def _failed(request: HttpRequest, form: RecipeForm, error: PhotoError) -> HttpResponse:
    form.add_error(FIELDS.get(error.code), error.detail)
    return page_of(request, form, status=error.status)


@require_POST
def samples(request: HttpRequest) -> HttpResponse:
    form = form_of(request) if "model" in request.POST else RecipeForm(values(Recipe()))
    try:
        if not form.is_valid():
            return page_of(request, form, status=422)
        answer = photos.accept_samples(access.person(request), form.recipe, key=request.POST.get("key", ""))
    except PhotoError as error:
        return _failed(request, form, error)
    if answer.job is None:
        return page_of(request, form, status=422, answer=answer)
    return redirect("job", answer.job.pk)


# ---- for the page's script ------------------------------------------------------------------------------------------


@require_POST
def send_files(request: HttpRequest) -> JsonResponse:
    """The first files of a job, which stays open for more."""
    form = form_of(request)
    if not form.is_valid():
        fields = {field.name: field.errors[0] for field in form.wrong}
        return JsonResponse({"code": "invalid_recipe", "detail": form.problem, "fields": fields}, status=422)
    try:
        return _receipt(_accept(request, form.recipe, open=request.POST.get("open") == "true"))
    except PhotoError as error:
        return answers.problem(error)


@require_POST
def add_files(request: HttpRequest, pk: int) -> JsonResponse:
    job, keys, key = access.job(request.user, pk, to="change"), _keys(request), request.POST.get("key", "")
    try:
        if keys:
            return _receipt(addresses.add_keys(job, access.person(request), keys, key=key))
        return _receipt(photos.add(job, request.FILES.getlist("files"), key=key))
    except PhotoError as error:
        return answers.problem(error)


@require_POST
def close(request: HttpRequest, pk: int) -> JsonResponse:
    job = access.job(request.user, pk, to="change")
    photos.close(job)
    return JsonResponse({"url": reverse("job", args=[pk])})


def _receipt(answer: photos.Answer) -> JsonResponse:
    body = answer.to_json()
    if answer.job is None:
        return JsonResponse(body, status=422)
    pk = answer.job.pk
    body |= {
        "url": reverse("job", args=[pk]),
        "add_url": reverse("job-add", args=[pk]),
        "close_url": reverse("job-close", args=[pk]),
    }
    return JsonResponse(body, status=202)
