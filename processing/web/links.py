"""Output links: the page that lists and revokes them, and the door that they open, where nobody signs in."""

from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from processing import access
from processing.delivery import links, photo
from processing.errors import PhotoError
from processing.models import OutputLinks, Status, Upload
from processing.web import answers

HOUR = 3600  # so long others may keep a file that was revoked meanwhile
PER_PAGE = 50
GONE = "There is no such file, or its link was revoked."


@login_not_required
@require_safe
def output(request: HttpRequest, code: str, name: str) -> HttpResponseBase:
    """A result, to whoever has its address. One answer for every reason why not; `name` is for people alone."""
    try:
        if file := links.opened(code):
            return photo.response(request, file, save=False, max_age=HOUR, public=True)
    except PhotoError as error:
        if error.code == "storage_unavailable":
            return _none(error.message, error.status)
    return _none(GONE, 404)


def _none(why: str, status: int) -> HttpResponse:
    return HttpResponse(why, "text/plain; charset=utf-8", status, headers={"Cache-Control": "no-store"})


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    rows = _shown(access.output_links(request.user))
    return render(request, "links/list.html", {"page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))})


def _shown(rows: "QuerySet[OutputLinks]") -> "QuerySet[OutputLinks]":
    """Newest first, each with `photos` (how many it leads to), `active`, and whether it is the `newest` of its CSV."""
    later = OutputLinks.objects.filter(job=OuterRef("job"), pk__gt=OuterRef("pk"))
    done = Upload.objects.filter(job=OuterRef("job"), status=Status.COMPLETED).order_by()
    photos = Coalesce(Subquery(done.values("job").annotate(count=Count("pk")).values("count")), 0)
    rows = rows.annotate(photos=photos, active=links.is_active(), newest=~Exists(later))
    return rows.select_related("job__product_csv").order_by("-pk")


@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    found = access.output_links(request.user, everybody=True, to="change").filter(pk=pk).first()
    if found is None:
        raise Http404("There are no such links here.")
    if not links.revoke(found):
        return answers.refused(request, "nothing_to_do", "They were revoked already.")
    return answers.done(request, "Revoked. The addresses in downloaded CSVs stop working within an hour.")


@require_POST
def make(request: HttpRequest, pk: int) -> HttpResponse:
    """New links in place of those that work now."""
    links.renew(access.product_job(request.user, pk, to="change"))
    return answers.done(request, "Made. Download the CSV again: it has the new addresses.")
