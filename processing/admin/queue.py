"""The queue page: how it stands, why photos failed, and the photos that a filter finds; who did what."""

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Prefetch, prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from processing import access, cards, steering
from processing.admin import dashboard, found
from processing.admin.found import Found
from processing.errors import PhotoError, is_transient
from processing.intake.names import plain
from processing.models import Status
from processing.recipe import fitting

NEWEST = 100  # lines of the log


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """`q` is the filter; what was picked beside it is put into it, so that the address alone says what is shown."""
    try:
        wanted = found.asked(request.GET)
        if found.picked(request.GET):
            return redirect(reverse("queue", query={"q": str(wanted)}, fragment="found"))
        shown, status = found.of(wanted, request.GET.get("after", "")), 200
    except PhotoError as error:
        shown, status = Found(plain(request.GET.get("q", "")), error.detail), error.status
    context = {
        **dashboard.context(request),
        **found.picks(),
        "found": shown,
        "sent": {name: plain(text) for name, text in found.picked(request.GET).items()},
    }
    return render(request, "queue/page.html", context, status=status)


@require_safe
def why(request: HttpRequest, pk: int) -> HttpResponse:
    """One photo: what went wrong and what helps; the traceback for superusers alone."""
    upload = access.upload(request.user, pk)
    prefetch_related_objects([upload], Prefetch("variants", to_attr="made"))
    context = {
        "upload": upload,
        "card": cards.one(upload),
        "model": fitting(upload.recipe or upload.job.recipe)[0].model,
        "timings": upload.facts.get("timings", {}),
        "can_help": is_transient(upload.error_code),
        "alike": f"state:{Status.FAILED} error:{upload.error_code}",
        "may": steering.acts(access.person(request)),
    }
    return render(request, "queue/why.html", context)


@require_safe
def log(request: HttpRequest) -> HttpResponse:
    """What operators did to the queue, newest first."""
    kinds = ContentType.objects.get_for_models(*{kind for _, kind in steering.DONE.values()}).values()
    rows = LogEntry.objects.filter(content_type__in=kinds).select_related("user").order_by("-pk")
    return render(request, "queue/log.html", {"rows": rows[:NEWEST], "most": NEWEST})
