"""The pictures that a person lays behind photos: added while a form is filled, shown, deleted."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from processing import access, backgrounds
from processing.delivery import photo
from processing.errors import PhotoError
from processing.models import BackgroundImage
from processing.web import answers, errors

DAY = 86400


@require_POST
def add(request: HttpRequest) -> HttpResponse:
    """Keep a picture; the answer is its swatch, chosen, for the form of a new job."""
    file = request.FILES.get("background_image")
    try:
        if file is None:
            raise PhotoError("missing_source", fields="a picture")
        image = backgrounds.accept(access.person(request), file)
    except PhotoError as error:
        return answers.problem(error)
    one = shown(image)
    return render(request, "jobs/_background.html", {"one": one, "chosen": one["value"]}, status=201)


@require_safe
def file(request: HttpRequest, pk: int) -> HttpResponseBase:
    image = access.background(request.user, pk)
    try:
        return photo.response(request, photo.of_background(image), save=False, max_age=DAY)
    except PhotoError as error:
        return errors.no_file(request, error)


@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    image = access.background(request.user, pk, to_change=True)
    backgrounds.delete(image)
    return answers.done(request, f"{image.name} deleted.")


def shown(image: BackgroundImage) -> dict[str, Any]:
    """An image as a form offers it; `url` where a browser can show it."""
    can_be_shown = photo.content_type(image.format) in photo.SHOWN
    return {
        "image": image, "value": backgrounds.value_of(image),
        "url": reverse("background", args=[image.pk]) if can_be_shown else "",
    }  # fmt: skip
