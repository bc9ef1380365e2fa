"""The page of a product CSV after Start: its rows, live, and what a person can do to them."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from processing import access, ledger, product_rows, progress, row_cards, show, watch
from processing.delivery import links
from processing.intake import products
from processing.intake.names import plain
from processing.intake.row_photos import handfuls
from processing.models import Callback, Delivery, Job, Upload
from processing.product_rows import Standing
from processing.recipe import fitting
from processing.web import answers

LONGEST_SEARCH = 200  # characters


# ---- pages ----------------------------------------------------------------------------------------------------------


def page_of(request: HttpRequest, job: Job) -> HttpResponse:
    """The whole page; with `state` and `q`, only the rows that are in it and match."""
    now, far = timezone.now(), progress.of(job)
    context = _rows(request, job) | {
        "progress": far,
        "since": now,
        "summary": show.summary(fitting(job.recipe)[0]),
        "same_content": products.same_content(job),
        "callback": Callback.objects.filter(job=job).first(),
        "told": Delivery.objects.filter(callback__job=job).first(),
        "links_revoked": job.output_links.exists() and links.of(job) is None,
    }
    return render(request, "products/rows.html", context)


@require_safe
def more_rows(request: HttpRequest, pk: int) -> HttpResponse:
    """The next rows of the table, and what loads those after them."""
    job = access.product_job(request.user, pk)
    return render(request, "products/_rows.html", _rows(request, job))


@require_safe
def changes(request: HttpRequest, pk: int) -> HttpResponse:
    """What the socket would have sent."""
    job = access.product_job(request.user, pk)
    view = watch.view(job, request.GET.dict() | {"rows": "1"})
    found = watch.changes(view, watch.moment(request.GET.get("since", "")))
    may = access.acts(request.user, job.owner_id)
    return render(request, found.template, watch.fragments(found) | {"may": may})


def _rows(request: HttpRequest, job: Job) -> dict[str, Any]:
    """One page of the rows that are asked for."""
    q, state = plain(request.GET.get("q", "")).strip()[:LONGEST_SEARCH], watch.state_of(request.GET.get("state", ""))
    number = watch.page(request.GET.get("page", ""))
    standing = product_rows.standing(job)
    found, (start, end) = _found(job, standing, state, q), watch.stretch(number)
    return {
        "job": job,
        "may": access.acts(request.user, job.owner_id),
        "q": q,
        "state": state,
        "standing": standing,
        "found": len(found),
        "cards": row_cards.of(job, found[start:end]),
        "next_page": number + 1 if len(found) > end else None,
    }


def _found(job: Job, standing: Standing, state: str, q: str) -> list[int]:
    ids = standing.in_turn(state)
    if not q:
        return ids
    matching = set(product_rows.find(job, q).values_list("pk", flat=True))
    return [pk for pk in ids if pk in matching]


# ---- acts -----------------------------------------------------------------------------------------------------------


@require_POST
def retry_all(request: HttpRequest, pk: int) -> HttpResponse:
    """Every photo that failed or was cancelled, of the rows that failed."""
    # Found before the first of them is queued again: that takes its row out of those that failed.
    ids = product_rows.to_retry(access.product_job(request.user, pk, to="retry"))
    return _again(request, sum(ledger.retry(Upload.objects.filter(pk__in=some)) for some in handfuls(ids)))


@require_POST
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """The same of one row."""
    row = access.product_row(request.user, pk, to="retry")
    return _again(request, ledger.retry(Upload.objects.filter(row_photos__row=row)))


def _again(request: HttpRequest, count: int) -> HttpResponse:
    if not count:
        return answers.refused(request, "nothing_to_do", "No photo of these rows is to be retried.")
    return answers.done(request, f"{show.counted(count, 'photo')} queued again.")
