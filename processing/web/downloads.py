"""Files on their way out: one photo's, all of a job as a ZIP, a product CSV. They stream; nothing is read whole."""

import json

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from processing import access, watch
from processing.delivery import archive, photo, product_csv, stream
from processing.errors import PhotoError
from processing.web import errors


@require_safe
def photo_file(request: HttpRequest, pk: int, variant: str) -> HttpResponseBase:
    upload = access.upload(request.user, pk)
    try:
        file = photo.download(upload, variant)
        if file is None:
            raise Http404("There is no such file of this photo.")
        return photo.response(request, file, save="download" in request.GET, max_age=_life(request))
    except PhotoError as error:
        return errors.no_file(request, error)


def _life(request: HttpRequest) -> int:
    """Seconds: what an address with a version leads to never changes."""
    return stream.YEAR if "v" in request.GET else 0


@require_safe
def job_recipe(request: HttpRequest, pk: int) -> HttpResponse:
    """The job's recipe as a file, which `manage.py process --recipe` reads."""
    job = access.job(request.user, pk)
    headers = stream.describe("application/json", "recipe.json")
    return HttpResponse(json.dumps(job.recipe, indent=2) + "\n", headers=headers)


@require_safe
def job_zip(request: HttpRequest, pk: int) -> HttpResponseBase:
    """All of a job, or the photos of it that `upload` names, alone or in ranges. One that is not of this job refuses
    the whole."""
    job = access.job(request.user, pk)
    texts = request.GET.getlist("upload")
    named = watch.named(texts)
    if texts and not named:
        raise Http404("No photo is named by this.")
    try:
        return archive.response(request, archive.zip_of(job, archive.chosen(job, named)))
    except PhotoError as error:
        return errors.no_file(request, error)


@require_safe
def products(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A product CSV with the addresses of what is done by now, and with `details` what became of each row."""
    job = access.product_job(request.user, pk)
    try:
        file = product_csv.csv_of(job, details="details" in request.GET)
    except PhotoError as error:
        return errors.no_file(request, error)
    return product_csv.response(request, file)
