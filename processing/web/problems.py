"""The rows of a product CSV that need somebody before Start: mended in the page, left out, or put back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.text import Truncator
from django.views.decorators.http import require_POST

from processing import access, guard
from processing.errors import KINDS, PhotoError
from processing.intake import mending, products
from processing.models import Job, ProductRow
from processing.product_rows import LEFT_OUT, OPEN
from processing.web import answers

PER_PAGE = 50
SHOWN = 80  # characters of an address in a sentence
TOUCHED = LEFT_OUT | Q(mended__isnull=False)  # what is lost where the file is read again
LISTED = OPEN | TOUCHED
LABELS: dict[mending.Column, str] = {"serial": "Serial number", "name": "Product name", "urls": "Address"}


@dataclass(frozen=True)
class Problem:
    """A row; the cell with the mistake in it, None where that is the whole row; the cell as it was likely meant, and
    what to call that."""

    row: ProductRow
    cell: str | None = None
    suggestion: str = ""
    offer: str = ""

    @property
    def label(self) -> str:
        return LABELS[cast(mending.Column, self.row.problem_column)]

    @property
    def remedy(self) -> str:
        """What to do, where that is more than mending the cell."""
        code = self.row.problem_code
        return KINDS[code].remedy if code == "fetch_blocked_address" else ""

    @property
    def outcome(self) -> str:
        """What becomes of a row that is out of the way, and what stands in it: no row knows which cell was mended."""
        if self.row.is_left_out:
            return "Left out."
        serial, urls = self.row.serial, self.row.urls
        addresses = Truncator(urls[0]).chars(SHOWN) if len(urls) == 1 else f"{len(urls):,} addresses"
        how = "Mended" if self.row.mended else "It can run"
        return f"{how}: {f'serial number {serial}, ' if serial else ''}{addresses}"


# ---- shown ----------------------------------------------------------------------------------------------------------


def of(job: Job, asked: str = "") -> dict[str, Any]:
    """One page of them in the order of the file, the first on which something is to be done unless one is asked for."""
    rows = job.rows.filter(LISTED).order_by("position")
    page = Paginator(rows, PER_PAGE).get_page(asked or _first_page(rows))
    return {"page": page, "problems": [_problem(row) for row in page.object_list], **_totals(job)}


def _first_page(rows: "QuerySet[ProductRow]") -> int:
    first = rows.filter(OPEN).values_list("position", flat=True).first()
    return 1 if first is None else rows.filter(position__lt=first).count() // PER_PAGE + 1


def _totals(job: Job) -> dict[str, Any]:
    found = products.preflight(job)
    return {
        "job": job, "preflight": found, "may_start": bool(found.ready or found.carried),
        "at_once": settings.FETCHES_PER_HOST, "touched": job.rows.filter(TOUCHED).count(),
    }  # fmt: skip


def _problem(row: ProductRow) -> Problem:
    if not row.problem_column or not row.problem_code:
        return Problem(row)
    if row.problem_column != "urls":
        return Problem(row, getattr(row, row.problem_column))
    meant = [_meant(address) for address in row.urls]
    cell, repaired = ", ".join(row.urls), [new for new, old in zip(meant, row.urls, strict=True) if new != old]
    if not repaired:
        return Problem(row, cell)
    more = f" and {len(repaired) - 1:,} more like it" if len(repaired) > 1 else ""
    return Problem(row, cell, ", ".join(meant), repaired[0] + more)


def _meant(address: str) -> str:
    """The address as it is where it is fine or nothing better is known."""
    try:
        guard.check(address, settings.FETCH_ALLOW)
    except PhotoError:
        return guard.suggestion(address, settings.FETCH_ALLOW) or address
    return address


# ---- acts -----------------------------------------------------------------------------------------------------------


@require_POST
def mend(request: HttpRequest, pk: int) -> HttpResponse:
    column = next((one for one in LABELS if one == request.POST.get("column")), None)
    if column is None:
        return answers.refused(request, "csv_bad_row", "There is no such column.")
    text = request.POST.get("suggested") or request.POST.get("text", "")
    return _act(request, pk, lambda row: products.mend(row, column, text))


@require_POST
def leave_out(request: HttpRequest, pk: int) -> HttpResponse:
    return _act(request, pk, lambda row: products.leave_out(ProductRow.objects.filter(pk=row.pk), True))


@require_POST
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    return _act(request, pk, products.undo)


def _act(request: HttpRequest, pk: int, work: Callable[[ProductRow], Any]) -> HttpResponse:
    """To a script what changed of the page before Start; a page after it looks again by itself."""
    row = access.product_row(request.user, pk, to="change")
    twins = _twins(row)
    try:
        work(row)
    except PhotoError as error:
        return answers.refused(request, error.code, error.detail)
    row.refresh_from_db()
    if not row.job.is_draft and row.problem_code:
        return answers.refused(request, row.problem_code, row.problem)
    if "next" in request.POST or not row.job.is_draft:
        return answers.done(request, _said(row))
    changed = [row, *row.job.rows.filter(pk__in=twins)]
    may = access.acts(request.user, row.job.owner_id)
    context = {"problems": [_problem(one) for one in changed], "may": may, **_totals(row.job)}
    return render(request, "products/_mended.html", context)


def _twins(row: ProductRow) -> list[int]:
    """Those in the list with the same serial number, which may be freed with this one."""
    same = row.job.rows.filter(LISTED, serial=row.serial).exclude(pk=row.pk)
    return list(same.order_by("position").values_list("pk", flat=True)[:PER_PAGE])


def _said(row: ProductRow) -> str:
    return f"Line {row.line:,}: {row.problem if row.problem_code and not row.is_left_out else Problem(row).outcome}"
