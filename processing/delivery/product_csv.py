"""A product CSV on its way out: the lines that came, each with the addresses of what became of its photos."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, groupby, islice
from operator import attrgetter
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple

from django.db.models import FilteredRelation, Q
from django.db.models.functions import Length
from django.http import HttpRequest, StreamingHttpResponse

from processing import spreadsheet, storage
from processing.delivery import links, photo
from processing.delivery.stream import Chunks, describe, made_now
from processing.intake import csv_file, product_csv
from processing.intake.mending import reading_of
from processing.models import Job, OutputLinks, RowPhoto, Status, Variant
from processing.product_rows import with_state

ROWS = 500  # at once
ENDING = re.compile(r"-(processed|details)( ?\(\d+\))?$")  # of an earlier export, as browsers may have saved it
COLUMNS = (spreadsheet.OUTPUT, *spreadsheet.DETAILS)
NUMBERS = ("width", "height", "bytes", "sha256")  # of a result, in the order of their columns


class Csv(NamedTuple):
    chunks: Chunks
    filename: str


class Row(NamedTuple):
    """What was made of a line; `mended` is all its cells, `carried` those of an earlier run by column."""

    position: int
    mended: list[str] | None
    carried: dict[str, str] | None
    problem: str
    state: str
    photos: int


class Result(NamedTuple):
    """A photo of a row with one of its results; `variant` and all after it are None where it has none."""

    row: int
    position: int
    photo: int
    name: str
    status: str
    error: str
    variant: str
    format: str
    width: int
    height: int
    bytes: int
    sha256: str


def csv_of(job: Job, *, details: bool) -> Csv:
    """The CSV with `Output Image Urls`, and on request what became of each row, as it stands while it is being sent.

    Encoding, byte order mark and delimiter are those that it came with. Where that encoding lacks a letter of a cell
    that was mended (or of a reason, in the details), it is UTF-8 with the mark: no text is lost, and spreadsheets
    read it. (What is mended so meanwhile breaks the answer off.) Raises PhotoError `original_missing`,
    `storage_unavailable`.
    """
    sent = job.product_csv
    encoding = sent.encoding if _fits(job, sent.encoding, details=details) else "utf-8-sig"
    opened = ExitStack()
    pieces = _pieces(job, opened.enter_context(storage.opened(sent.key)), encoding, details=details)
    name = ENDING.sub("", PurePosixPath(photo.base_name(sent.name)).stem)
    return Csv(Chunks(pieces, opened.close), f"{name}-{'details' if details else 'processed'}.csv")


def response(request: HttpRequest, file: Csv) -> StreamingHttpResponse:
    return made_now(request, file.chunks, describe("text/csv", file.filename))


def _fits(job: Job, encoding: str, *, details: bool) -> bool:
    """Whether the encoding holds all that did not come in it."""
    if encoding.startswith("utf"):
        return True
    mended = job.rows.filter(mended__isnull=False).values_list("mended", flat=True)
    texts: Iterator[str] = (text for cells in mended.iterator() for text in cells or ())
    if details:
        problems = job.rows.order_by().values_list("problem", flat=True).distinct()
        errors = job.uploads.order_by().values_list("error_message", flat=True).distinct()
        texts = chain(texts, problems.iterator(), errors.iterator())
    try:
        for text in texts:
            csv_file.encode(text, encoding)
    except UnicodeEncodeError:
        return False
    return True


def _pieces(job: Job, file: BinaryIO, encoding: str, *, details: bool) -> Iterator[bytes]:
    """The first line, then the rows, so many at a time."""
    sent, active = job.product_csv, links.of(job)
    reading = reading_of(sent)
    columns = COLUMNS if details else COLUMNS[:1]

    def piece(lines: Iterable[tuple[list[str], Sequence[str]]]) -> bytes:
        cells = ([*reading.base(theirs), *ours[: len(columns)]] for theirs, ours in lines)
        return csv_file.encode(spreadsheet.to_text(cells, sent.delimiter), encoding)

    opening = csv_file.encode(csv_file.opening(file, sent.encoding), encoding)
    yield csv_file.mark(encoding) + opening + piece([(sent.header, columns)])
    lines = enumerate(product_csv.lines(file, reading))
    while some := list(islice(lines, ROWS)):
        places = (some[0][0], some[-1][0])
        rows, results = _rows(job, places), _results(job, places)
        yield piece((rows[at].mended or line.cells, _ours(rows[at], results.get(at, []), active)) for at, line in some)


def _rows(job: Job, places: tuple[int, int]) -> dict[int, Row]:
    """Those from one position to another, by position; in a draft, what would run is `new`."""
    rows = with_state(job.rows.filter(position__range=places))
    cells = rows.values_list("position", "mended", "carried", "problem", "state", "photos_total")  # type: ignore[misc]
    found = {row.position: row for row in map(Row._make, cells)}
    waits = [at for at, row in found.items() if job.is_draft and row.state == Status.QUEUED]
    return found | {at: found[at]._replace(state=Status.NEW) for at in waits}


def _results(job: Job, places: tuple[int, int]) -> dict[int, list[Result]]:
    """What their photos have become, by the row's position: its photos in order, the results of each from 1."""
    of = "upload__variants"
    made = Q(**{f"{of}__status": Variant.Status.COMPLETED, f"{of}__key__gt": ""})
    named = Q(**{f"{of}__name": "result"}) | Q(**{f"{of}__name__startswith": "result-"})
    photos = RowPhoto.objects.filter(row__job=job, row__position__range=places)
    photos = photos.annotate(made=FilteredRelation(of, condition=made & named))
    found = photos.order_by("row__position", "position", Length("made__name"), "made__name").values_list(
        "row__position", "position", "upload_id", "upload__name", "upload__status", "upload__error_message",
        "made__name", "made__format", "made__width", "made__height", "made__bytes", "made__sha256",
    )  # fmt: skip
    return {row: list(some) for row, some in groupby(map(Result._make, found), key=attrgetter("row"))}


def _ours(row: Row, results: Sequence[Result], active: OutputLinks | None) -> list[str]:
    """The cells of COLUMNS."""
    if row.carried and row.state == Status.COMPLETED:
        return [row.carried.get(name, "") for name in COLUMNS]
    made = [one for one in results if one.variant]
    urls = [links.address(active, one.photo, one.name, one.variant, one.format) for one in made] if active else []
    return [",".join(urls), row.state, _error(row, results), *(_each(made, name) for name in NUMBERS)]


def _each(made: Sequence[Result], name: str) -> str:
    return ";".join(str(getattr(one, name)) for one in made)  # with commas, a spreadsheet makes one number of them


def _error(row: Row, results: Sequence[Result]) -> str:
    """The row's own problem, or what its photos say."""
    said = [one for one in results if one.status in (Status.FAILED, Status.CANCELLED)]
    named = [f"Photo {one.position + 1}: {one.error}" if row.photos > 1 else one.error for one in said]
    return row.problem or " ".join(named)
