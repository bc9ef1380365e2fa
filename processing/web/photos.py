"""One photo's page, and what a person can do to one or several."""

from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from pydantic import ValidationError

from processing import access, cards, ledger, sheet, show, verdicts, watch
from processing.errors import PhotoError
from processing.models import Job, Upload
from processing.progress import TO_REVIEW
from processing.recipe import Recipe, fitting, problems
from processing.web import answers
from processing.web.forms import RecipeForm

NEIGHBOURS = 8
MOST_UNDONE = 100  # photos; what reaches further is asked before


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """With `review`, what comes before and after are those to review, and a verdict leads to the next of them.

    The form on it holds all fields of a recipe, with which the photo is made anew.
    """
    upload = access.upload(request.user, pk)
    if request.method != "POST":
        return _page(request, upload, _form(RecipeForm(recipe=fitting(upload.recipe or upload.job.recipe)[0])))
    form = _form(RecipeForm(request.POST))
    if not form.is_valid():
        return _page(request, upload, form, status=422)
    return _redo(request, access.uploads(request.user, [pk], to="change"), form.recipe.to_json())


def _page(request: HttpRequest, upload: Upload, form: RecipeForm, status: int = 200) -> HttpResponse:
    pk, job, reviewing = upload.pk, upload.job, "review" in request.GET
    ids = list(_in_turn(job, pk, reviewing))
    here = ids.index(pk)
    neighbours = ids[max(0, min(here - NEIGHBOURS // 2, len(ids) - NEIGHBOURS)) :][:NEIGHBOURS]
    found = {card.id: card for card in cards.of(watch.photos(job).filter(pk__in=[pk, *neighbours]), job)}
    onward = ids[here + 1] if here + 1 < len(ids) else ids[0] if here else None
    context: dict[str, Any] = {
        **sheet.of(found[pk]),
        "job": job,
        "may": access.acts(request.user, job.owner_id),
        "reviewing": reviewing,
        "previous": ids[here - 1] if here else None,
        "next": ids[here + 1] if here + 1 < len(ids) else None,
        "position": here + 1,
        "total": len(ids),
        "neighbours": [found[one] for one in neighbours],
        "ahead": found.get(onward or 0),
        "then": _then(job, pk, onward, reviewing),
        "form": form,
    }
    return render(request, "photos/page.html", context, status=status)


def _in_turn(job: Job, pk: int, reviewing: bool) -> "QuerySet[Upload, int]":
    """The ids of the photos among which one goes on and back, this one with them."""
    if not reviewing:
        return watch.in_turn(job)
    return job.uploads.filter(TO_REVIEW | Q(pk=pk)).order_by("position").values_list("pk", flat=True)


def _then(job: Job, pk: int, onward: int | None, reviewing: bool) -> str:
    """Where a verdict leads."""
    if not reviewing:
        return reverse("photo", args=[pk])
    return f"{reverse('photo', args=[onward])}?review=1" if onward else reverse("job", args=[job.pk])


def _form(form: RecipeForm) -> RecipeForm:
    """The same, with the models that may run here."""
    names = [one.weights.name for one in sheet.models_here()]
    form.fields["model"].widget.choices = [(name, name) for name in names]
    return form


@require_safe
def card(request: HttpRequest, pk: int) -> HttpResponse:
    upload = access.upload(request.user, pk)
    found = cards.of(watch.photos(upload.job).filter(pk=pk), upload.job)[0]
    return render(request, "jobs/_card.html", {"card": found, "may": access.acts(request.user, upload.job.owner_id)})


def _selected(request: HttpRequest, to: str) -> "QuerySet[Upload]":
    """Those that `upload` names; an address that takes something back names them itself."""
    named = request.POST.getlist("upload") or request.GET.getlist("upload")
    return access.uploads(request.user, answers.numbers(named), to)


@require_POST
def retry(request: HttpRequest) -> HttpResponse:
    count = ledger.retry(_selected(request, "retry"))
    if not count:
        return answers.refused(request, "nothing_to_do", "Only photos that failed or were cancelled can be retried.")
    return answers.done(request, f"{show.counted(count, 'photo')} queued again.")


@require_POST
def cancel(request: HttpRequest) -> HttpResponse:
    count = ledger.cancel(_selected(request, "cancel"))
    if not count:
        return answers.refused(request, "nothing_to_do", "Only photos that have not ended can be cancelled.")
    return answers.done(request, f"{show.counted(count, 'photo')} cancelled.")


# ---- verdicts -------------------------------------------------------------------------------------------------------


@require_POST
def redo(request: HttpRequest) -> HttpResponse:
    """Made anew with those fields of the recipe that are sent."""
    sent: dict[str, Any] = {name: text for name, text in request.POST.items() if name in Recipe.model_fields}
    if "model" in sent:
        sent["remove_bg"] = True
    return _redo(request, _selected(request, "change"), sent)


def _redo(request: HttpRequest, uploads: "QuerySet[Upload]", sent: dict[str, Any]) -> HttpResponse:
    undo = _undo(request, uploads)
    try:
        count = verdicts.redo(uploads, sent)
    except ValidationError as error:
        return answers.refused(request, "invalid_recipe", " ".join(sentence for _, sentence in problems(error)))
    except PhotoError as error:
        return answers.refused(request, error.code, error.detail)
    if not count:
        return answers.refused(request, "nothing_to_do", "Their originals are not here yet.")
    return answers.done(request, f"{show.counted(count, 'photo')} queued again.", undo)


@require_POST
def review(request: HttpRequest) -> HttpResponse:
    """What is said of results: `accept`, keep the `original`, or `undo` what was said or asked for last."""
    try:
        return _review(request, _selected(request, "change"))
    except PhotoError as error:
        return answers.refused(request, error.code, error.detail)


def _review(request: HttpRequest, uploads: "QuerySet[Upload]") -> HttpResponse:
    match request.POST.get("verdict") or request.GET.get("verdict"):
        case "accept":
            undo = _undo(request, uploads.filter(TO_REVIEW))
            return _said(request, verdicts.accept(uploads), "accepted", undo)
        case "original":
            undo = _undo(request, uploads)
            return _said(request, verdicts.keep_original(uploads), "to be kept as it came", undo)
        case "undo":
            return _said(request, verdicts.undo(uploads), "as before", to=request.GET.get("to", ""))
    return answers.refused(request, "unknown_verdict", "A verdict is accept, original or undo.")


def _said(
    request: HttpRequest, count: int, words: str, undo: dict[str, Any] | None = None, to: str = ""
) -> HttpResponse:
    if not count:
        return answers.refused(request, "nothing_to_do", f"No photo is {words} by this: it has changed meanwhile.")
    return answers.done(request, f"{show.counted(count, 'photo')} {words}.", undo, to)


def _undo(request: HttpRequest, uploads: "QuerySet[Upload]") -> dict[str, str] | None:
    """What takes it back: an address that says all, so that a plain form can hold it."""
    ids = list(uploads.order_by().values_list("pk", flat=True)[: MOST_UNDONE + 1])
    if len(ids) > MOST_UNDONE:
        return None
    asked = {"verdict": "undo", "upload": ids, "to": request.POST.get("here", "")}
    return {"url": f"{reverse('photos-review')}?{urlencode(asked, doseq=True)}", "label": "Undo"}
