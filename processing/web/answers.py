"""How views answer: to a plain form a redirect with a notice, to a script a few words, to both the same errors."""

import json
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from processing.errors import KINDS, PhotoError
from processing.watch import named

MADE = "made"  # in a session, with a page's name


def done(request: HttpRequest, text: str, undo: dict[str, Any] | None = None, to: str = "") -> HttpResponse:
    """The person's act succeeded. A plain form says where to go `next`; a script gets a notice and looks again.

    `to` is where a plain form goes instead.
    """
    target = request.POST.get("next")
    if target:
        messages.success(request, text, extra_tags=undo["url"] if undo else "")
        return HttpResponseRedirect(safe(request, to or target), status=303)
    response = HttpResponse(status=204)
    response["HX-Trigger"] = json.dumps({"poll": {}, "notice": {"text": text, "undo": undo}})
    return response


def refused(request: HttpRequest, code: str, detail: str) -> HttpResponse:
    """The person's act changed nothing, and why."""
    target = request.POST.get("next")
    if target:
        messages.error(request, detail)
        return HttpResponseRedirect(safe(request, target), status=303)
    return JsonResponse({"code": code, "detail": detail}, status=status_of(code))


def shown_once(request: HttpRequest, page: str, title: str, secret: str) -> HttpResponse:
    """Something was made whose secret is shown once: by that page, at its next look. Who loads the page again then
    makes nothing."""
    request.session[f"{MADE}-{page}"] = {"title": title, "secret": secret}
    return HttpResponseRedirect(reverse(page), status=303)


def just_made(request: HttpRequest, page: str) -> dict[str, str] | None:
    """What `shown_once` left for that page; the next look finds nothing."""
    made: dict[str, str] | None = request.session.pop(f"{MADE}-{page}", None)
    return made


def status_of(code: str) -> int:
    return KINDS[code].status if code in KINDS else 422


def problem(error: PhotoError) -> JsonResponse:
    """An error as a script reads it."""
    return JsonResponse({"code": error.code, "detail": error.detail}, status=error.status)


def safe(request: HttpRequest, target: str) -> str:
    """The address, if it is one of ours; else the first page."""
    if url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        parts = urlsplit(target)
        return urlunsplit(("", "", f"/{parts.path.lstrip('/')}", parts.query, parts.fragment))
    return "/"


def numbers(texts: list[str]) -> list[int]:
    """The numbers of rows that the texts name, alone or as `watch.ranges` has them. Raises Http404 as `watch.named`."""
    return named(texts)
