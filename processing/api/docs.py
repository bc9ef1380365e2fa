"""The page on which the API can be read and tried out: Swagger UI, from our own files."""

from csp.decorators import csp_update
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@login_not_required
@require_safe
@csp_update({"img-src": ["data:"]})  # its style sheet has its arrows and locks inside
def page(request: HttpRequest) -> HttpResponse:
    return render(request, "api/docs.html")
