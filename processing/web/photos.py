"""One photo's page, and what a person can do to one or several."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from processing import access, ledger, watch
from processing.models import Upload
from processing.web import answers
from processing.web.jobs import photos_of


@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    upload = access.upload(request.user, pk)
    job = upload.job
    ids = list(watch.photos(job).values_list("pk", flat=True))
    here = ids.index(pk)
    context: dict[str, Any] = {
        **watch.photo(_card(upload)),
        "job": job,
        "previous": ids[here - 1] if here else None,
        "next": ids[here + 1] if here + 1 < len(ids) else None,
        "position": here + 1,
        "total": len(ids),
    }
    return render(request, "photos/page.html", context)


@require_safe
def card(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "jobs/_card.html", {"card": _card(access.upload(request.user, pk))})


def _card(upload: Upload) -> watch.Card:
    return watch.cards(watch.photos(upload.job).filter(pk=upload.pk), upload.job)[0]


def _selected(request: HttpRequest) -> "QuerySet[Upload]":
    return access.uploads(request.user, answers.numbers(request.POST.getlist("upload")))


@require_POST
def retry(request: HttpRequest) -> HttpResponse:
    count = ledger.retry(_selected(request))
    if not count:
        return answers.refused(request, "nothing_to_do", "Only photos that failed or were cancelled can be retried.")
    return answers.done(request, f"{photos_of(count)} queued again.")


@require_POST
def cancel(request: HttpRequest) -> HttpResponse:
    count = ledger.cancel(_selected(request))
    if not count:
        return answers.refused(request, "nothing_to_do", "Only photos that have not ended can be cancelled.")
    return answers.done(request, f"{photos_of(count)} cancelled.")
