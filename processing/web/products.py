"""Product CSVs before Start: sending one, seeing what is in it, how it is read, what is done, and Start."""

import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from processing import access, presets, product_rows, progress, show
from processing.errors import PhotoError
from processing.hooks import callback
from processing.intake import products
from processing.models import Callback, Job, ProductRow
from processing.product_rows import LEFT_OUT, OPEN
from processing.progress import Progress
from processing.recipe import fitting
from processing.web import answers, new, problems, reading, rows
from processing.web.forms import RecipeForm

PER_PAGE = 20


# ---- all of them ----------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _list(request)
    file = request.FILES.get("file")
    if file is None:
        return _list(request, 422, file_problem="No file was chosen.")
    try:
        job = products.accept(
            access.person(request), file, None,
            callback_url=_address(request), key=request.POST.get("key", ""),
        )  # fmt: skip
    except PhotoError as error:
        said = _of_callback(error)
        wrong = {"callback_problem": said} if said else {"file_problem": error.detail}
        return _list(request, error.status, **wrong)
    return HttpResponseRedirect(reverse("product", args=[job.pk]), status=303)


@dataclass(frozen=True)
class Sent:
    """A product CSV in the list: its state for colour and icon, and for people its state and what is in it."""

    job: Job
    progress: Progress
    state: str
    word: str
    said: str


def _list(request: HttpRequest, status: int = 200, **wrong: str) -> HttpResponse:
    jobs = access.jobs(request.user).filter(product_csv__isnull=False).order_by("-created_at", "-pk")
    found = Paginator(jobs, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": found, "rows": _sent(found.object_list), "key": uuid.uuid4().hex,
        "max_rows": settings.MAX_CSV_ROWS, "max_mb": settings.MAX_CSV_BYTES // settings.MB,
        "callback_url": _address(request), **wrong,
    }  # fmt: skip
    return render(request, "products/list.html", context, status=status)


def _sent(jobs: Iterable[Job]) -> list[Sent]:
    jobs = list(jobs)
    far = progress.of_many(jobs)
    rows = ProductRow.objects.filter(job__in=jobs).order_by().values_list("job").annotate(Count("pk"))
    total, failed = dict(rows), product_rows.failed(jobs)
    return [_one(job, far[job.pk], total.get(job.pk, 0), failed.get(job.pk, 0)) for job in jobs]


def _one(job: Job, far: Progress, total: int, failed: int) -> Sent:
    said = [show.counted(total, "row")]
    if failed:
        said.append(f"{failed:,} with a problem" if job.is_draft else f"{failed:,} failed")
    if job.is_draft:
        return Sent(job, far, "queued", "Draft", ", ".join(said))
    if far.total:
        said.append(f"{far.counts['completed']:,} of {far.total:,} photos completed")
    if far.active or far.is_open:
        return Sent(job, far, far.status, f"{far.percent}%" if far.ended else far.status.title(), ", ".join(said))
    state, word = ("failed", f"{show.counted(failed, 'row')} failed") if failed else (far.status, far.status.title())
    return Sent(job, far, state, word, ", ".join(said))


# ---- one ------------------------------------------------------------------------------------------------------------


@require_safe
def one(request: HttpRequest, pk: int) -> HttpResponse:
    job = access.product_job(request.user, pk)
    return _check(request, job) if job.is_draft else rows.page_of(request, job)


def _check(request: HttpRequest, job: Job, status: int = 200, **wrong: str) -> HttpResponse:
    """The page before Start; `wrong` are sentences beside what they are about."""
    context = problems.of(job, request.GET.get("page", "")) | {
        "reading": reading.of(job, request.POST, wrong.pop("read_problem", "")),
        "summary": show.summary(fitting(job.recipe)[0]),
        "preset_options": _presets(request, job),
        "callback_url": request.POST.get("callback_url", callback_of(job)),
        "may": access.acts(request.user, job.owner_id),
        **wrong,
    }
    return render(request, "products/check.html", context, status=status)


def _presets(request: HttpRequest, job: Job) -> list[tuple[str, str, bool]]:
    """Value, name, and whether the photos are worked on so."""
    recipe = fitting(job.recipe)[0]
    offered = [(one.name, one.title, one.recipe) for one in presets.BUILT_IN.values()]
    offered += [(str(one.pk), one.name, fitting(one.recipe)[0]) for one in presets.listed(access.person(request))]
    chosen = next((value for value, _, its in offered if its == recipe), "")
    own = [] if chosen else [("", "Own options", True)]
    return own + [(value, name, value == chosen) for value, name, _ in offered]


def callback_of(job: Job) -> str:
    return Callback.objects.filter(job=job).values_list("url", flat=True).first() or ""


@require_POST
def start(request: HttpRequest, pk: int) -> HttpResponse:
    job = access.product_job(request.user, pk, to="change")
    try:
        _keep(request, job)
        products.start(job)
    except PhotoError as error:
        if error.code == "csv_started" and "next" in request.POST:  # a double click
            return _back(job)
        return _refused(request, job, error)
    return _back(job)


@require_POST
def read_again(request: HttpRequest, pk: int) -> HttpResponse:
    job = access.product_job(request.user, pk, to="change")
    try:
        products.read_again(job, **reading.asked(job, request.POST))
    except PhotoError as error:
        return _refused(request, job, error, read_problem=f"{error.message} Nothing was changed.")
    return answers.done(request, "Read again.", to=f"{reverse('product', args=[pk])}#reading")


@require_POST
def keep_callback(request: HttpRequest, pk: int) -> HttpResponse:
    return _kept(request, access.product_job(request.user, pk, to="change"))


@require_POST
def leave_out(request: HttpRequest, pk: int) -> HttpResponse:
    """All that have a problem; without `yes` they are put back in."""
    job = access.product_job(request.user, pk, to="change")
    yes = bool(request.POST.get("yes"))
    try:
        count = products.leave_out(job.rows.filter(OPEN if yes else LEFT_OUT), yes)
    except PhotoError as error:
        return answers.refused(request, error.code, error.detail)
    return answers.done(request, f"{show.counted(count, 'row')} {'left out' if yes else 'put back'}.")


@require_http_methods(["GET", "HEAD", "POST"])
def recipe(request: HttpRequest, pk: int) -> HttpResponse:
    """All options of a draft. A `preset` fills them; one that is sent from the draft's page is taken as it is."""
    job = access.product_job(request.user, pk, to="change")
    if request.method != "POST":
        filled = new.filled_by(access.person(request), request.GET.get("preset", ""))
        form = RecipeForm(recipe=filled.recipe if filled else fitting(job.recipe)[0])
        return _options(request, job, form, preset=filled and filled.preset, lost=filled and filled.lost)
    if "preset" in request.POST:
        return _kept(request, job)
    form = new.form_of(request)
    if not form.is_valid():
        return _options(request, job, form, 422)
    try:
        products.set_recipe(job, form.recipe)
    except PhotoError as error:
        if error.code == "csv_started":
            return answers.refused(request, error.code, error.detail)
        form.add_error(new.FIELDS.get(error.code), error.detail)
        return _options(request, job, form, 422)
    return answers.done(request, f"Each photo: {show.summary(form.recipe)}.", to=reverse("product", args=[pk]))


def _options(request: HttpRequest, job: Job, form: RecipeForm, status: int = 200, **more: Any) -> HttpResponse:
    home = reverse("product-recipe", args=[job.pk])
    context = {"job": job, "form": form, "home": home, **new.choices(access.person(request), form), **more}
    return render(request, "products/recipe.html", context, status=status)


# ---- helpers --------------------------------------------------------------------------------------------------------


def _address(request: HttpRequest) -> str:
    return request.POST.get("callback_url", "").strip()


def _keep(request: HttpRequest, job: Job) -> None:
    """Whichever button of the page's form was pressed, its preset and its address are kept.

    Raises PhotoError `csv_started`, and what `products.set_recipe` and `callback.expect` do.
    """
    with suppress(Http404):  # a preset that is not there any more
        if filled := new.filled_by(access.person(request), request.POST.get("preset", "")):
            products.set_recipe(job, filled.recipe)
    if "callback_url" in request.POST:
        if not job.is_draft:
            raise PhotoError("csv_started")
        callback.expect(job, _address(request))


def _kept(request: HttpRequest, job: Job) -> HttpResponse:
    try:
        _keep(request, job)
    except PhotoError as error:
        return _refused(request, job, error)
    return answers.done(request, "Saved.", to=reverse("product", args=[job.pk]))


def _of_callback(error: PhotoError) -> str:
    """What is wrong with the address that is told, "" where it is something else. A row's remedy is none here."""
    if error.code == "invalid_image_url":
        return f"{error.message} Mend it, or leave this empty."
    return error.detail if error.code in ("fetch_blocked_address", "not_permitted") else ""


def _refused(request: HttpRequest, job: Job, error: PhotoError, **wrong: str) -> HttpResponse:
    """The page with the sentence at its field; a script gets the words alone."""
    if "next" not in request.POST or error.code == "csv_started":
        return answers.refused(request, error.code, error.detail)
    wrong["callback_problem"] = _of_callback(error)
    wrong["preset_problem"] = error.detail if error.code in new.FIELDS else ""
    return _check(request, job, error.status, **wrong)


def _back(job: Job) -> HttpResponse:
    return HttpResponseRedirect(reverse("product", args=[job.pk]), status=303)
