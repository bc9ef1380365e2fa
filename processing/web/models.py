"""The models: what each is good for, whether it is here, how fast it is, and who may use it."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from processing import access, catalogue, installed
from processing.web import answers
from processing.web.accounts import operators_only


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    context = {"models": installed.models(), "is_operator": access.is_operator(request.user)}
    return render(request, "models/list.html", context)


@operators_only
@require_POST
def allow(request: HttpRequest, name: str) -> HttpResponse:
    installed.allow(_restricted(name), access.person(request))
    return answers.done(request, f"{name} is on.")


@operators_only
@require_POST
def forbid(request: HttpRequest, name: str) -> HttpResponse:
    installed.forbid(_restricted(name))
    return answers.done(request, f"{name} is off.")


def _restricted(name: str) -> str:
    """Raises Http404 when there is no such model, or none that needs to be turned on."""
    if name not in catalogue.MODELS or catalogue.MODELS[name].commercial:
        raise Http404("There is no such model to turn on or off.")
    return name
