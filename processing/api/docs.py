"""The page on which the API can be read and tried out: Swagger UI, from our own files."""

from csp.decorators import csp_update
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe


@login_not_required
@require_safe
@csp_update({"img-src": ["data:"]})  # its style sheet has its arrows and locks inside
def page(request: HttpRequest) -> HttpResponse:
    """Of API v1; with `dialects` in the address, of the shapes of other systems."""
    is_of_dialects = "dialects" in request.GET
    place = reverse("api-dialects:openapi-json" if is_of_dialects else "openapi-json")
    return render(request, "api/docs.html", {"document": place, "is_of_dialects": is_of_dialects})
