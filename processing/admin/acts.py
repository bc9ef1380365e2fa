"""Acts on photos of the queue page: on one, on the selected, or, after a preview, on all that match."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from processing import access, bulk, query, show, steering
from processing.admin.steer import answered
from processing.bulk import Preview
from processing.delivery import archive
from processing.errors import KINDS, PhotoError, is_transient
from processing.models import BulkAct, Job, Status, Upload
from processing.query import Query
from processing.watch import number
from processing.web import answers

RATES = (60, 20)  # photos a minute that an act can be slowed down to
MOST_CODES = 3


@dataclass(frozen=True)
class Verb:
    """How an act is spoken of; `none` is said where no photo is touched."""

    name: str
    doing: str
    done: str
    none: str


VERBS = {
    "retry": Verb("Retry", "Retrying", "queued again", "Only photos that failed or were cancelled can be retried."),
    "cancel": Verb("Cancel", "Cancelling", "cancelled", "Only photos that have not ended can be cancelled."),
    "delete": Verb("Delete", "Deleting", "deleted", "They are not there any more, or belong to a product CSV."),
}


@dataclass(frozen=True)
class Asked:
    """What an act is to touch: the photos that `ids` name, else all that match `wanted`."""

    verb: str
    wanted: Query
    ids: tuple[int, ...] = ()

    @property
    def rows(self) -> "QuerySet[Upload]":
        if not self.ids:
            return self.wanted.rows()
        return Upload.objects.filter(pk__in=self.ids, job__in=Job.objects.filter(deleted_at=None))

    def preview(self) -> Preview:
        return bulk.preview(self.verb, self.rows)


def _asked(sent: QueryDict) -> Asked:
    """Raises PhotoError `invalid_request`, and what `_named` does."""
    verb = sent.get("verb", "")
    if verb not in VERBS:
        raise PhotoError("invalid_request", reason="Say what to do: retry, cancel or delete")
    return _named(verb, sent)


def _named(verb: str, sent: QueryDict) -> Asked:
    """Raises PhotoError `nothing_to_do`, `invalid_filter`."""
    ids = tuple(answers.numbers(sent.getlist("upload")))
    if not ids and ("upload" in sent or "q" not in sent):  # all photos are meant by an empty filter alone
        raise PhotoError("nothing_to_do", reason="No photo is selected")
    return Asked(verb, query.read("" if ids else sent.get("q", "")), ids)


# ---- before ---------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def preview(request: HttpRequest) -> HttpResponse:
    """What an act would do, before it is confirmed. (A form with the selected photos is posted: they are many.)"""
    try:
        asked = _asked(request.POST or request.GET)
        steering.need(access.person(request), asked.verb)
    except PhotoError as error:
        return _refused(request, error)
    return _preview(request, asked)


def _refused(request: HttpRequest, error: PhotoError) -> HttpResponse:
    return render(request, "queue/preview.html", {"problem": error.detail}, status=error.status)


def _preview(request: HttpRequest, asked: Asked, problem: str = "") -> HttpResponse:
    found = asked.preview()
    context = {
        "asked": asked,
        "verb": VERBS[asked.verb],
        "preview": found,
        "seconds": found.minutes and tuple(60 * one for one in found.minutes),
        "in_vain": _in_vain(asked) if asked.verb == "retry" else [],
        "rates": RATES,
        "confirm_problem": problem,
        "back": _back(asked),
    }
    return render(request, "queue/preview.html", context, status=422 if problem else 200)


def _in_vain(asked: Asked) -> list[dict[str, Any]]:
    """The codes for which trying again does not help by itself, most photos first, each with what would."""
    rows = asked.rows.filter(status=Status.FAILED).order_by()
    counts = rows.values_list("error_code").annotate(count=Count("pk")).order_by("-count")
    found = [(code, count) for code, count in counts if code in KINDS and not is_transient(code)][:MOST_CODES]
    return [{"code": code, "count": count, "example": rows.filter(error_code=code).first()} for code, count in found]


def _back(asked: Asked) -> str:
    """The page with the list, as it was."""
    return reverse("queue", query={"q": str(asked.wanted)}, fragment="found")


# ---- the act --------------------------------------------------------------------------------------------------------


@answered
def act(request: HttpRequest) -> HttpResponse:
    """With `upload` these photos, now; else all that match `q`, in the background. What cannot be undone needs their
    number besides, as `count`."""
    asked = _asked(request.POST)
    steering.need(access.person(request), asked.verb)
    if asked.verb == "delete" and (wrong := _miscounted(asked, request.POST.get("count", ""))):
        return _preview(request, asked, wrong)
    return _at_once(request, asked) if asked.ids else _start(request, asked)


def _miscounted(asked: Asked, typed: str) -> str:
    count = asked.preview().count
    if number(typed.replace(",", "").strip()) == count:
        return ""
    return f"Type how many there are now, {count:,}, to delete them."


def _at_once(request: HttpRequest, asked: Asked) -> HttpResponse:
    count, verb = bulk.at_once(access.person(request), asked.verb, asked.rows), VERBS[asked.verb]
    if not count:
        return answers.refused(request, "nothing_to_do", verb.none)
    return answers.done(request, f"{show.counted(count, 'photo')} {verb.done}.")


def _start(request: HttpRequest, asked: Asked) -> HttpResponse:
    rate = request.POST.get("per_minute", "")
    made = bulk.start(access.person(request), asked.verb, asked.wanted, (number(rate) or 0) if rate else None)
    return answers.done(request, f"{VERBS[asked.verb].doing} {show.counted(made.matched, 'photo')}.")


@answered
def stop(request: HttpRequest) -> HttpResponse:
    found = BulkAct.objects.filter(pk=number(request.POST.get("act", "")) or 0).first()
    if found is None:
        raise Http404("There is no such act here.")
    if not bulk.stop(access.person(request), found):
        return answers.refused(request, "nothing_to_do", "It has ended already.")
    return answers.done(request, "Stopped. What is done is done.")


# ---- download -------------------------------------------------------------------------------------------------------


@require_POST
def download(request: HttpRequest) -> HttpResponseBase:
    """The results of the photos that are named, or of all that match, as a ZIP."""
    try:
        asked = _named("download", request.POST)
        made = bulk.download(access.person(request), asked.rows, None if asked.ids else asked.wanted)
    except PhotoError as error:
        return _refused(request, error)
    return archive.response(request, made)
