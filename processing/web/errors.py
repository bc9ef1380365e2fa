"""The pages of things gone wrong."""

import sys

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import loader

from processing import outage, trace
from processing.errors import AGAIN, PhotoError


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "400.html", status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "403.html", status=403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "403_csrf.html", status=403)


def no_such_page(request: HttpRequest, **named: object) -> HttpResponse:
    """For an address of a library's that leads nowhere here."""
    raise Http404


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Says why, where it was an error that people can understand."""
    cause = exception.__cause__
    return render(request, "404.html", {"reason": cause.detail if isinstance(cause, PhotoError) else ""}, status=404)


def no_file(request: HttpRequest, error: PhotoError) -> HttpResponse:
    """Why a file is not sent: storage does not answer, or, as Http404, it is not there."""
    if error.code != "storage_unavailable":
        raise Http404(error.message) from error
    return _unavailable(request, error)


def mistake(request: HttpRequest) -> HttpResponse:
    """Says the number under which it stands in the log; or that the database does not answer."""
    if error := outage.of(sys.exc_info()[1]):
        return _unavailable(request, error)
    return HttpResponse(loader.get_template("500.html").render({"number": trace.number()}), status=500)


def _unavailable(request: HttpRequest, error: PhotoError) -> HttpResponse:
    """Without the database, and so without the page's head. A page that was asked for loads again by itself."""
    again = {"Refresh": str(AGAIN)} if request.method == "GET" else {}
    page = loader.get_template("503.html").render({"reason": error.message, "again": AGAIN if again else 0})
    return HttpResponse(page, status=error.status, headers=again)
