"""The upper half of the queue page: how it stands, and why photos failed."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from processing import access, overview


def context(request: HttpRequest) -> dict[str, Any]:
    """As it stands at this moment: who has just changed something is to see it."""
    return overview.context(overview.snapshot(_span(request)), access.person(request))


@require_safe
def fragments(request: HttpRequest) -> HttpResponse:
    """What the socket would have sent, whole."""
    return HttpResponse("".join(overview.fragments(_span(request), access.person(request)).values()))


def _span(request: HttpRequest) -> str:
    return overview.span_of(request.GET.get("span", ""))
