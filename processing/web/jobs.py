"""A job's page and its fragments, what a person can do to a job, and the history of all of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from processing import access, cards, history, ledger, product_rows, progress, sheet, show, watch
from processing.cards import Card, Picture
from processing.intake.names import plain
from processing.models import Job, ProductCsv
from processing.progress import Progress
from processing.recipe import fitting
from processing.web import answers

JOBS_PER_PAGE = 50
REFUSALS_SHOWN = 200


# ---- one job --------------------------------------------------------------------------------------------------------


@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    job = access.job(request.user, pk)
    if job.is_draft:
        return redirect("product", pk)
    state, now = watch.state_of(request.GET.get("state", "")), timezone.now()
    ids = list(watch.in_turn(job, state))
    shown = Paginator(ids, watch.PAGE).get_page(request.GET.get("page"))
    here = list(shown.object_list)
    found = {card.id: card for card in _cards(job, here)}
    context = {
        "job": job,
        "progress": progress.of(job),
        "cards": [found[pk] for pk in here if pk in found],
        "ids": watch.in_short(ids),
        "page": shown,
        "state": state,
        "refusals": job.refusals.order_by("pk")[:REFUSALS_SHOWN],
        "refused_total": job.refusals.count(),
        "summary": show.summary(fitting(job.recipe)[0]),
        "models": sheet.models_here(),
        "may": access.acts(request.user, job.owner_id),
        "is_csv": hasattr(job, "product_csv"),
        "since": now,
    }
    return render(request, "jobs/page.html", context)


@require_safe
def some_cards(request: HttpRequest, pk: int) -> HttpResponse:
    """The cards that are `shown`, in any order: what a large grid lacks where somebody looks."""
    job = access.job(request.user, pk)
    ids = watch.named([request.GET.get("shown", "")])[: watch.MOST_AT_ONCE]
    may = access.acts(request.user, job.owner_id)
    return render(request, "jobs/_cards.html", {"cards": _cards(job, ids), "may": may})


def _cards(job: Job, ids: Sequence[int]) -> list[Card]:
    return cards.of(watch.photos(job).filter(pk__in=ids), job)


@require_safe
def changes(request: HttpRequest, pk: int) -> HttpResponse:
    """What the socket would have sent."""
    job = access.job(request.user, pk)
    found = watch.changes(watch.view(job, request.GET.dict()), watch.moment(request.GET.get("since", "")))
    may = access.acts(request.user, job.owner_id)
    return render(request, "jobs/_changes.html", watch.fragments(found) | {"may": may})


@require_safe
def progress_fragment(request: HttpRequest, pk: int) -> HttpResponse:
    job = access.job(request.user, pk)
    return render(request, "jobs/_progress.html", {"job": job, "progress": progress.of(job)})


# ---- what a person can do to it -------------------------------------------------------------------------------------


@require_POST
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Those that failed or were cancelled; only those in one `state` where it is named."""
    uploads = access.job(request.user, pk, to="retry").uploads.all()
    state = request.POST.get("state")
    count = ledger.retry(uploads.filter(status=plain(state)) if state else uploads)
    if not count:
        return answers.refused(request, "nothing_to_do", "No photo of this job is to be retried.")
    return answers.done(request, f"{show.counted(count, 'photo')} queued again.")


@require_POST
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    count = ledger.cancel(access.job(request.user, pk, to="cancel").uploads.all())
    if not count:
        return answers.refused(request, "nothing_to_do", "Every photo of this job has ended already.")
    return answers.done(request, f"{show.counted(count, 'photo')} cancelled.")


@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    job = access.job(request.user, pk, to="delete")
    history.delete(job)
    undo = {"url": reverse("job-restore", args=[pk]), "label": "Undo"}
    return answers.done(request, f"{job.name} deleted.", undo)


@require_POST
def restore(request: HttpRequest, pk: int) -> HttpResponse:
    job = access.deleted_job(request.user, pk)
    history.restore(job)
    return answers.done(request, f"{job.name} is back.")


@require_POST
def rename(request: HttpRequest, pk: int) -> HttpResponse:
    job = access.job(request.user, pk, to="change")
    if not history.rename(job, request.POST.get("name", "")):
        return answers.refused(request, "missing_name", "A job needs a name.")
    return answers.done(request, "Renamed.")


# ---- all of them ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    job: Job
    progress: Progress
    pictures: list[Picture]
    summary: str
    owner_name: str
    csv_rows: int | None  # of a product CSV
    failed: int  # rows of a product CSV, else photos
    may: dict[str, bool]  # as `access.acts` says


@require_safe
def all_of_them(request: HttpRequest) -> HttpResponse:
    operator = access.is_operator(request.user)
    everybody = operator and request.GET.get("owner") == "everybody"
    q, state = plain(request.GET.get("q", "")).strip()[:200], request.GET.get("state", "")
    jobs = history.find(access.jobs(request.user, everybody=everybody), q, state).select_related("owner")
    found = Paginator(jobs.order_by("-created_at", "-pk"), JOBS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "days": [(day, list(group)) for day, group in groupby(rows(found.object_list, request.user), key=_day)],
        "page": found,
        "q": q,
        "state": state,
        "everybody": everybody,
        "is_operator": operator,
        "deleted": access.deleted_jobs(request.user).order_by("-deleted_at")[:20],
        "undo_minutes": settings.UNDO_MINUTES,
    }
    return render(request, "jobs/list.html", context)


def _day(row: Row) -> str:
    day = show.moment(row.job.created_at).rsplit(" ", 1)
    return day[0].capitalize() if ":" in day[-1] else " ".join(day)


def rows(jobs: Iterable[Job], person: access.Person) -> list[Row]:
    jobs = list(jobs)
    found, shown = progress.of_many(jobs), cards.pictures(jobs)
    csvs = ProductCsv.objects.filter(job__in=jobs).values_list("job_id").annotate(Count("job__rows"))
    csv_rows, failed = dict(csvs), product_rows.failed(jobs)
    may = {owner: access.acts(person, owner) for owner in {job.owner_id for job in jobs}}
    return [
        Row(
            job, found[job.pk], shown.get(job.pk, []), show.summary(fitting(job.recipe)[0]), job.owner.get_username(),
            csv_rows.get(job.pk), failed.get(job.pk, 0) if job.pk in csv_rows else found[job.pk].counts["failed"],
            may[job.owner_id],
        )
        for job in jobs
    ]  # fmt: skip


@require_safe
def row(request: HttpRequest, pk: int) -> HttpResponse:
    job = access.job(request.user, pk)
    [found] = rows([job], request.user)
    return render(request, "jobs/_row.html", {"row": found, "everybody": job.owner_id != request.user.pk})
