"""Webhooks: the addresses of a person that are told what happens, each with its log; and callbacks of single jobs."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST, require_safe

from processing import access, show
from processing.errors import PhotoError
from processing.hooks import endpoints, post
from processing.hooks.endpoints import Outcome
from processing.hooks.post import Answer
from processing.models import Delivery, Endpoint, EventType
from processing.web import answers

PER_PAGE = 50
AGAIN = "{} on the way again."
SHOWN = {Outcome.DELIVERED: ("completed", "completed", "Delivered"), Outcome.FAILED: ("failed", "failed", "Failed")}
TRIED_AGAIN, NOT_TRIED = ("warning", "retry", "Trying again"), ("queued", "queued", "Waiting")


class WebhookForm(forms.Form):
    url = forms.CharField(max_length=2048, error_messages={"required": "A webhook needs an address."})
    types = forms.MultipleChoiceField(
        choices=EventType.choices, initial=EventType.values, error_messages={"required": "Choose what it is told."}
    )


# ---- all of them ---------------------------------------------------------------------------------------------------


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    return _page(request, WebhookForm())


def _page(request: HttpRequest, form: WebhookForm, status: int = 200) -> HttpResponse:
    rows = endpoints.standing(access.endpoints(request.user)).order_by("pk")
    callbacks = access.deliveries(request.user).filter(callback__isnull=False)
    context = {"rows": rows, "form": form, "most": endpoints.MOST, "patience": post.SECONDS, **_log(request, callbacks)}
    return render(request, "webhooks/list.html", context, status=status)


@require_POST
def add(request: HttpRequest) -> HttpResponse:
    form = WebhookForm(request.POST)
    if form.is_valid():
        try:
            made = endpoints.add(access.person(request), **form.cleaned_data)
        except PhotoError as error:
            form.add_error("url", error.detail)
        else:
            said = "Added. Give its secret to the program that is told."
            return answers.done(request, said, to=reverse("webhook", args=[made.pk]))
    return _wrong(request, form) or _page(request, form, 422)


def _wrong(request: HttpRequest, form: WebhookForm) -> HttpResponse | None:
    """For a script, which sends no `next`."""
    said = " ".join(str(error) for errors in form.errors.values() for error in errors)
    return None if "next" in request.POST else answers.refused(request, "invalid_request", said)


# ---- one -----------------------------------------------------------------------------------------------------------


@require_safe
def one(request: HttpRequest, pk: int) -> HttpResponse:
    endpoint = access.endpoint(request.user, pk)
    return _one(request, endpoint, WebhookForm({"url": endpoint.url, "types": endpoint.types}))


def _one(request: HttpRequest, endpoint: Endpoint, form: WebhookForm, status: int = 200) -> HttpResponse:
    now = timezone.now()
    context = {
        "endpoint": access.one_endpoint(endpoints.standing(access.endpoints(request.user)), endpoint.pk),
        "host": urlsplit(endpoint.url).hostname,
        "form": form,
        "patience": post.SECONDS,
        "old_signs": endpoint.old_secret and endpoint.old_secret_until and endpoint.old_secret_until > now,
        "secret_hours": settings.HOOK_SECRET_HOURS,
        "failed": _failed(endpoint),
        "held_up": endpoints.held_up(endpoint),
        **_log(request, access.deliveries(request.user).filter(endpoint=endpoint)),
    }
    return render(request, "webhooks/one.html", context, status=status)


def _failed(endpoint: Endpoint) -> list[tuple[str, str, int]]:
    """Stretches of time in which something failed: in words, since when (ISO 8601), how many."""
    now, kept = timezone.now(), show.counted(settings.HOOK_LOG_DAYS, "day")
    hours = {"hour": 1, "24 hours": 24, "7 days": 7 * 24, kept: settings.HOOK_LOG_DAYS * 24}
    since = {f"the last {words}": now - timedelta(hours=count) for words, count in hours.items()}
    counters = {str(at): Count("pk", filter=Q(event__created_at__gte=one)) for at, one in enumerate(since.values())}
    counts = endpoints.failed_since(endpoint, min(since.values())).aggregate(**counters)
    found = [(words, one.isoformat(), counts[str(at)]) for at, (words, one) in enumerate(since.items())]
    return [each for each in found if each[2]]


@require_POST
def change(request: HttpRequest, pk: int) -> HttpResponse:
    endpoint, form = access.endpoint(request.user, pk), WebhookForm(request.POST)
    if form.is_valid():
        try:
            endpoints.change(endpoint, **form.cleaned_data)
        except PhotoError as error:
            form.add_error("url", error.detail)
        else:
            return answers.done(request, "Saved.")
    return _wrong(request, form) or _one(request, endpoint, form, 422)


@require_POST
def rotate(request: HttpRequest, pk: int) -> HttpResponse:
    endpoint = access.endpoint(request.user, pk)
    seen, hours = request.POST.get("seen", ""), show.counted(settings.HOOK_SECRET_HOURS, "hour")
    said = f"New secret made. The old one also signs for {hours}."
    return _act(request, lambda: endpoints.rotate(endpoint, seen), said)


@require_POST
def test(request: HttpRequest, pk: int) -> HttpResponse:
    endpoint = access.endpoint(request.user, pk)
    return _act(request, lambda: endpoints.send_test(endpoint), "A test is on its way. Its answer appears in the log.")


@require_POST
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    endpoint = access.endpoint(request.user, pk)
    return _act(request, lambda: endpoints.pause(endpoint), "Paused. What happens meanwhile is told when it resumes.")


@require_POST
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    endpoint = access.endpoint(request.user, pk)
    return _act(request, lambda: endpoints.resume(endpoint), "On again. What waited is sent now.")


@require_POST
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    endpoints.remove(access.endpoint(request.user, pk))
    return answers.done(request, "Removed.", to=reverse("webhooks"))


@require_POST
def replay_failed(request: HttpRequest, pk: int) -> HttpResponse:
    endpoint, since = access.endpoint(request.user, pk), _moment(request.POST.get("since", ""))
    if since is None:
        return answers.refused(request, "invalid_request", "Say since when.")
    return _act(request, lambda: show.counted(endpoints.replay_failed(endpoint, since), "message"), AGAIN)


@require_POST
def send_now(request: HttpRequest, pk: int) -> HttpResponse:
    endpoint = access.endpoint(request.user, pk)
    return _act(request, lambda: show.counted(endpoints.send_now(endpoint), "message"), AGAIN)


def _moment(text: str) -> datetime | None:
    """A date and time with its zone, of which no database is afraid; None for anything else."""
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found and found.tzinfo and 1 < found.year < 9999 else None


def _act(request: HttpRequest, act: Callable[[], object], said: str) -> HttpResponse:
    """`said` may have a place, {}, for what the act gives."""
    try:
        made = act()
    except PhotoError as error:
        return answers.refused(request, error.code, error.detail)
    return answers.done(request, said.format(made))


# ---- what was told -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """A delivery as the log shows it."""

    delivery: Delivery

    @property
    def outcome(self) -> Outcome:
        return endpoints.outcome(self.delivery)

    @property
    def shown(self) -> tuple[str, str, str]:
        """Its colour, icon and word."""
        return SHOWN.get(self.outcome) or (TRIED_AGAIN if self.delivery.answer else NOT_TRIED)

    @property
    def next_try(self) -> str:
        if self.outcome != Outcome.WAITING:
            return ""
        if self.delivery.endpoint and endpoints.state_of(self.delivery.endpoint) != endpoints.State.ON:
            return "when the webhook is on again"
        seconds = (self.delivery.not_before - timezone.now()).total_seconds()
        return f"in {show.seconds(seconds)}" if seconds >= 1 and self.delivery.answer else "now"

    @property
    def is_test(self) -> bool:
        return bool(json.loads(self.delivery.event.body).get("data", {}).get("test"))

    @property
    def url(self) -> str:
        return endpoints.address(self.delivery)


def _log(request: HttpRequest, rows: "QuerySet[Delivery]") -> dict[str, Any]:
    """A page of them, in the state that is asked for; how many there are in each; whether one waits."""
    state = request.GET.get("state", "")
    counts = {one.value: endpoints.deliveries(rows, one).count() for one in Outcome}
    found = Paginator(endpoints.deliveries(rows, state), PER_PAGE).get_page(request.GET.get("page"))
    return {
        "page": found, "lines": [Line(each) for each in found], "state": state if state in counts else "",
        "counts": counts, "total": sum(counts.values()), "waits": counts[Outcome.WAITING],
    }  # fmt: skip


@require_safe
def delivery(request: HttpRequest, pk: int) -> HttpResponse:
    found = access.delivery(request.user, pk)
    body = json.dumps(json.loads(found.event.body), indent=2, ensure_ascii=False)
    tries = [(Answer(one.seconds, one.status, error=one.error), one) for one in found.tries.order_by("-pk")]
    context = {"line": Line(found), "body": body, "tries": tries}
    return render(request, "webhooks/delivery.html", context)


@require_POST
def replay(request: HttpRequest, pk: int) -> HttpResponse:
    found = access.delivery(request.user, pk)
    return _act(request, lambda: endpoints.replay(found), "On the way again.")
