"""The pages of things gone wrong."""

import logging
import secrets

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import loader

from processing.errors import PhotoError

log = logging.getLogger(__name__)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "400.html", status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "403.html", status=403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "403_csrf.html", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Says why, where it was an error that people can understand."""
    cause = exception.__cause__
    return render(request, "404.html", {"reason": cause.detail if isinstance(cause, PhotoError) else ""}, status=404)


def mistake(request: HttpRequest) -> HttpResponse:
    """Says a number that stands in the log too."""
    number = f"req-{secrets.token_hex(4)}"
    log.error("%s: %s %s", number, request.method, request.path)
    return HttpResponse(loader.get_template("500.html").render({"number": number}), status=500)
