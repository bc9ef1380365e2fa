"""A new job: the page, its plain form, and what its script sends in several requests."""

import uuid
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from processing import access, catalogue
from processing.errors import PhotoError
from processing.intake import photos
from processing.recipe import Recipe
from processing.web import answers
from processing.web.forms import RecipeForm

FORMATS = "JPEG, PNG, WEBP, HEIC, AVIF, TIFF, BMP, GIF"


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request, RecipeForm())
    form = RecipeForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    try:
        answer = _accept(request, form.recipe)
    except PhotoError as error:
        return _failed(request, form, error)
    if answer.job is None:
        if not answer.received:
            form.add_error(None, "No file was chosen.")
        return _page(request, form, status=422, answer=answer)
    return HttpResponseRedirect(reverse("job", args=[answer.job.pk]), status=303)


def _accept(request: HttpRequest, recipe: Recipe, *, open: bool = False) -> photos.Answer:
    return photos.accept(
        access.person(request), request.FILES.getlist("files"), recipe,
        name=request.POST.get("name", ""), open=open, key=request.POST.get("key", ""),
    )  # fmt: skip


def _page(
    request: HttpRequest, form: RecipeForm, *, status: int = 200, answer: photos.Answer | None = None
) -> HttpResponse:
    best = catalogue.best_installed()
    context: dict[str, Any] = {
        "form": form,
        "models": [
            {"weights": weights, "installed": weights.installed, "is_default": weights.name == best}
            for weights in catalogue.MODELS.values()
        ],
        "limits": {
            "max_file_mb": settings.MAX_FILE_BYTES // settings.MB, "max_side": settings.MAX_SIDE,
            "min_side": settings.MIN_SIDE, "max_files": settings.MAX_FILES,
            "max_entries": settings.MAX_ARCHIVE_ENTRIES, "formats": FORMATS,
        },
        "key": uuid.uuid4().hex,
        "refused": answer.refused if answer else (),
        "received": answer.received if answer else 0,
        "accepted": answer.accepted if answer else 0,
    }  # fmt: skip
    return render(request, "jobs/new.html", context, status=status)


def _failed(request: HttpRequest, form: RecipeForm, error: PhotoError) -> HttpResponse:
    form.add_error(None, error.detail)
    return _page(request, form, status=answers.STATUS.get(error.code, 422))


@require_POST
def samples(request: HttpRequest) -> HttpResponse:
    form = RecipeForm(request.POST if "model" in request.POST else Recipe().to_json())
    try:
        if not form.is_valid():
            return _page(request, form, status=422)
        answer = photos.accept_samples(access.person(request), form.recipe, key=request.POST.get("key", ""))
    except PhotoError as error:
        return _failed(request, form, error)
    if answer.job is None:
        return _page(request, form, status=422, answer=answer)
    return redirect("job", answer.job.pk)


# ---- for the page's script ------------------------------------------------------------------------------------------


@require_POST
def send_files(request: HttpRequest) -> JsonResponse:
    """The first files of a job, which stays open for more."""
    form = RecipeForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"code": "invalid_recipe", "detail": form.problem}, status=422)
    try:
        return _receipt(_accept(request, form.recipe, open=request.POST.get("open") == "true"))
    except PhotoError as error:
        return answers.problem(error)


@require_POST
def add_files(request: HttpRequest, pk: int) -> JsonResponse:
    job = access.job(request.user, pk)
    try:
        return _receipt(photos.add(job, request.FILES.getlist("files"), key=request.POST.get("key", "")))
    except PhotoError as error:
        return answers.problem(error)


@require_POST
def close(request: HttpRequest, pk: int) -> JsonResponse:
    job = access.job(request.user, pk)
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
