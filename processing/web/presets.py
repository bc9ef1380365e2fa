"""Saved presets: kept from the form of a new job; listed, renamed, shared and deleted on a page of their own."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from processing import access, presets, show
from processing.recipe import fitting
from processing.web import answers, new
from processing.web.accounts import operators_only
from processing.web.backgrounds import shown
from processing.web.forms import RecipeForm

TAKEN = "There is a preset of that name already. Choose another name."


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The presets that this person may use, and the own backgrounds."""
    person = access.person(request)
    default, operator = presets.default_of(person), access.is_operator(person)
    context = {
        "rows": [
            {
                "preset": one, "is_default": one == default, "may_change": operator or one.owner_id == person.pk,
                "summary": show.summary(fitting(one.recipe)[0]),
            }
            for one in presets.listed(person)
        ],
        "is_operator": operator,
        "images": [shown(one) for one in access.backgrounds(person.pk).filter(owner=person).order_by("-created_at")],
    }  # fmt: skip
    return render(request, "account/presets.html", context)


@require_POST
def save(request: HttpRequest) -> HttpResponse:
    """Keep what stands in the form of a new job. `replace` names the preset that may be replaced."""
    person, name, form = (
        access.person(request),
        presets.name_of(request.POST.get("preset_name", "")),
        new.form_of(request),
    )
    if not form.is_valid():
        return _not_saved(request, form, "invalid_recipe", form.problem)
    if not name:
        return _not_saved(request, form, "missing_name", "A preset needs a name.")
    try:
        preset = presets.save(person, name, form.recipe, replace=request.POST.get("replace") == name)
    except presets.NameTaken:
        return _not_saved(request, form, "name_taken", f"You have a preset called {name} already.", taken=name)
    said = f"{name} saved."
    if "next" not in request.POST:
        return answers.done(request, said)
    messages.success(request, said)
    return HttpResponseRedirect(f"{reverse('new-job')}?preset={preset.pk}", status=303)


def _not_saved(request: HttpRequest, form: RecipeForm, code: str, detail: str, *, taken: str = "") -> HttpResponse:
    """The form again with all that was typed; a script gets the reason alone."""
    if "next" not in request.POST:
        return answers.refused(request, code, detail)
    problem = "" if code == "invalid_recipe" else detail
    return new.page_of(request, form, status=answers.status_of(code), preset_problem=problem, taken=taken)


@require_POST
def rename(request: HttpRequest, pk: int) -> HttpResponse:
    preset, name = access.preset(request.user, pk, to_change=True), presets.name_of(request.POST.get("name", ""))
    if not name:
        return answers.refused(request, "missing_name", "A preset needs a name.")
    try:
        presets.rename(preset, name)
    except presets.NameTaken:
        return answers.refused(request, "name_taken", TAKEN)
    return answers.done(request, "Renamed.")


@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    preset = access.preset(request.user, pk, to_change=True)
    preset.delete()
    return answers.done(request, f"{preset.name} deleted.")


@require_POST
def make_default(request: HttpRequest, pk: int) -> HttpResponse:
    """New jobs begin with it; `on` is empty to begin with none again."""
    preset = access.preset(request.user, pk)
    on = bool(request.POST.get("on"))
    presets.make_default(access.person(request), preset if on else None)
    return answers.done(
        request, f"New jobs begin with {preset.name}." if on else "New jobs begin with a plain cut-out."
    )


@require_POST
@operators_only
def share(request: HttpRequest, pk: int) -> HttpResponse:
    """Everybody may use it, but only operators change it; `on` is empty to take it back."""
    preset = access.preset(request.user, pk, to_change=True)
    on = bool(request.POST.get("on"))
    try:
        presets.share(preset, on)
    except presets.NameTaken:
        return answers.refused(request, "name_taken", "Another shared preset has that name. Rename one of them.")
    return answers.done(request, f"{preset.name} is {'there for everybody' if on else 'shared no longer'}.")
