"""The queue page: how it stands, why photos failed, and the photos that a filter finds; who did what."""

from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from processing import access, cards, steering
from processing.admin import dashboard, found
from processing.admin.found import Found
from processing.errors import PhotoError, is_transient
from processing.intake.names import plain
from processing.models import Upload

NEWEST = 100  # lines of the log


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """`q` is the filter; what was picked beside it is put into it, so that the address alone says what is shown."""
    picked = [name for name in (*found.TYPED, "job", "age") if request.GET.get(name)]
    try:
        wanted = found.asked(request.GET)
        if picked:
            return redirect(reverse("queue", query={"q": str(wanted)}, fragment="found"))
        shown, status = found.of(wanted, request.GET), 200
    except PhotoError as error:
        shown, status = Found(plain(request.GET.get("q", "")), error.detail), error.status
    context = dashboard.context(request)
    context |= {
        "found": shown,
        "may": {verb: steering.may(access.person(request), verb) for verb in steering.PERMISSIONS},
        "sent": {name: plain(request.GET[name]) for name in picked},
        "now": timezone.now(),
        **found.picks([]),
    }
    return render(request, "queue/page.html", context, status=status)


@require_safe
def fragments(request: HttpRequest) -> HttpResponse:
    """What the socket would have sent."""
    return render(request, "queue/_live.html", dashboard.context(request))


@require_safe
def why(request: HttpRequest, pk: int) -> HttpResponse:
    """One photo: what went wrong and what helps; the traceback for superusers alone."""
    upload = access.upload(request.user, pk)
    made = Upload.objects.filter(pk=pk).prefetch_related(Prefetch("variants", to_attr="made")).get()
    context = {
        "upload": upload,
        "card": cards.one(made),
        "can_help": is_transient(upload.error_code),
        "may": {verb: steering.may(access.person(request), verb) for verb in steering.PERMISSIONS},
    }
    return render(request, "queue/why.html", context)


@require_safe
def log(request: HttpRequest) -> HttpResponse:
    rows: Any = LogEntry.objects.select_related("user").order_by("-pk")[:NEWEST]
    return render(request, "queue/log.html", {"rows": rows})
