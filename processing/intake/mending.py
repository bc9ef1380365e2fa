"""What people change in a product CSV: a cell, or that a row is left out. The file stays as it came."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Literal

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from processing import announce, storage
from processing.errors import PhotoError
from processing.intake import product_csv, row_photos
from processing.intake.product_csv import Checker, Line, Reading
from processing.models import Job, ProductCsv, ProductRow

Column = Literal["serial", "name", "urls"]


@contextmanager
def held(job: Job, *, draft: bool = False) -> Iterator[None]:
    """A transaction in which nobody else starts or mends this job, which is read anew; then its watchers look again.

    Raises PhotoError `csv_started` where it has to be a draft and is none any more.
    """
    with transaction.atomic():
        job.refresh_from_db(from_queryset=Job.objects.select_for_update())
        if draft and not job.is_draft:
            raise PhotoError("csv_started")
        yield
        announce.job_changed(job.pk)


def mend(row: ProductRow, column: Column, text: str) -> ProductRow:
    """Put another text into a cell and check the row anew, with those that have or had its serial number.

    A row that was left out is put back in, and one that an earlier run completed runs where its addresses changed.
    After Start what can run now gets its photos; photos that no row names any more and that never came are removed.
    Gives the row as it is then. Raises PhotoError `csv_bad_row` for a text that no cell has room for,
    `original_missing`, `storage_unavailable`, `limit_reached`.
    """
    if len(text) > product_csv.MAX_CELL:  # of a file it stays where it is; this would go into the database
        raise PhotoError("csv_bad_row", reason=f"A cell takes at most {product_csv.MAX_CELL:,} characters")
    with held(row.job):
        row.refresh_from_db()
        reading = reading_of(row.job.product_csv)
        cells = [*_lines(row.job, [row])[row.position].cells]
        cells[reading.columns[column]] = text.replace("\0", "")  # which no database keeps
        if column == "urls" and product_csv.STATUS in reading.own_columns:
            cells[reading.own_columns[product_csv.STATUS]] = ""
        _change(row, cells)
    row.refresh_from_db()
    return row


def undo(row: ProductRow) -> ProductRow:
    """The row as it came, and not left out. Raises PhotoError `csv_started` after Start."""
    with held(row.job, draft=True):
        row.refresh_from_db()
        _change(row, None)
    row.refresh_from_db()
    return row


def leave_out(rows: "QuerySet[ProductRow]", yes: bool) -> int:
    """Leave these rows of one draft out, or put them back in; gives how many were not so before.

    Where one of two with the same serial number is left out, the other can run. Raises PhotoError `csv_started`.
    """
    one = rows.select_related("job").first()
    if one is None:
        return 0
    with held(one.job, draft=True):
        changed = dict(rows.filter(is_left_out=not yes).values_list("pk", "serial"))
        ProductRow.objects.filter(pk__in=changed).update(is_left_out=yes)
        _check_again(one.job, set(changed.values()))
    return len(changed)


def reading_of(csv: ProductCsv) -> Reading:
    return Reading(csv.encoding, csv.delimiter, csv.header, csv.columns)


def _change(row: ProductRow, cells: list[str] | None) -> None:
    """The row has these cells now, or those of the file, and is not left out."""
    before, row.mended, row.is_left_out = row.serial, cells, False
    row.serial = _checker(row.job).check(_lines(row.job, [row])[row.position]).serial
    row.save(update_fields=["mended", "serial", "is_left_out"])
    _check_again(row.job, {before, row.serial}, row)


def _check_again(job: Job, serials: set[str], row: ProductRow | None = None) -> None:
    """Check this row and those with these serial numbers, in the order of the file; after Start, see to their photos.

    What is left out keeps what was said of it.
    """
    twins = Q(serial__in=serials - {""}, is_left_out=False)
    rows = list(job.rows.filter(twins | Q(pk=row.pk) if row else twins).order_by("position"))
    lines, checker, changed = _lines(job, rows), _checker(job), {row.pk} if row else set()
    for one in rows:
        found = checker.check(lines[one.position])._asdict()
        if vars(one) != vars(one) | found:
            job.rows.filter(pk=one.pk).update(**found)
            changed.add(one.pk)
    if not job.is_draft:
        row_photos.make_anew(job, job.rows.filter(pk__in=changed))


def _checker(job: Job) -> Checker:
    return Checker(reading_of(job.product_csv), settings.FETCH_ALLOW)


def _lines(job: Job, rows: Sequence[ProductRow]) -> dict[int, Line]:
    """The lines of these rows as they stand, mended or as the file has them, by position."""
    found = {row.position: Line(row.line, row.mended) for row in rows if row.mended}
    wanted = {row.position for row in rows} - found.keys()
    if wanted:
        csv = job.product_csv
        with storage.opened(csv.key) as file:
            some = islice(product_csv.lines(file, reading_of(csv)), max(wanted) + 1)
            found |= {at: line for at, line in enumerate(some) if at in wanted}
    return found
