"""The door for product CSVs: one is judged, kept and read into rows; nothing runs before somebody starts it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files import File
from django.db import transaction
from django.utils import timezone
from pydantic import ValidationError

from processing import allowances, outbox, presets, spreadsheet, storage, tally
from processing.delivery import links
from processing.errors import PhotoError
from processing.hooks import callback
from processing.intake import arriving, product_csv, receipts, row_photos
from processing.intake.answer import Answer
from processing.intake.mending import held, leave_out, mend, undo
from processing.intake.names import clean, plain
from processing.intake.photos import check, hidden_job
from processing.intake.preflight import Preflight, preflight, same_content
from processing.intake.product_csv import Checker, Line, Reading
from processing.models import Callback, Job, ProductCsv, ProductRow, Token
from processing.product_rows import CARRIED, RUNS
from processing.recipe import Recipe

__all__ = [
    "DEFAULT", "Preflight", "accept", "fill", "leave_out", "mend", "preflight", "read_again", "same_content",
    "set_recipe", "start", "undo",
]  # fmt: skip

DEFAULT = presets.BUILT_IN["compress"].recipe


def accept(
    user: User, file: "File[Any]", recipe: Recipe | None, *, callback_url: str = "",
    shape: Callback.Shape = Callback.Shape.EVENT, key: str = "", token: Token | None = None, fingerprint: str = "",
    start: bool = False, name: str = "",
) -> Job:  # fmt: skip
    """Make a draft of the CSV, or `start` it at once. The same `key` gives the first one again (`receipts.once`, also
    for `fingerprint`). Where no recipe is chosen, it is that of the earlier run whose details these are, else DEFAULT.

    Raises PhotoError as `product_csv.read`, `Checker.check`, `photos.check`, `callback.expect` and `receipts.once` do,
    `storage_full`, `storage_unavailable`; to start, `csv_nothing_to_run`, `limit_reached`.
    """
    check(user.pk, recipe or DEFAULT)

    def work(keep: receipts.Keep) -> Answer:
        reading = product_csv.read(cast(BinaryIO, file.file))
        storage.check_door(file.size)
        title = plain(name).strip() or clean(file.name or "")
        with hidden_job(user, title, recipe or DEFAULT, is_draft=True, token=token) as job:
            [stored] = arriving.take([storage.new_key(user.pk, job.pk, "tables", "csv")], [file])
            with transaction.atomic():
                csv = ProductCsv(job=job, name=plain(file.name or ""), key=stored.key, bytes=stored.bytes)
                _write(csv, reading, recipe)
                callback.expect(job, callback_url, shape)
                if start:
                    _begin(job)
                answer = Answer.of(job, 1, [])
                keep(answer)
        return answer

    # A form that sends photos and CSVs has one key for both: what was answered to photos is no answer here.
    own_key = key if fingerprint or not key else f"csv {key}"
    job = receipts.once(user, own_key, work, fingerprint).job
    assert job
    if start and job.is_open:  # also where it was begun by a request that was cut short
        fill(job)
    return job


def _write(csv: ProductCsv, reading: Reading, recipe: Recipe | None) -> None:
    """The rows of a hidden job; from then on it is to be seen. Must run in a transaction."""
    _read(csv, reading)
    job = csv.job
    job.recipe = (recipe or _recipe_before(job)).to_json()
    job.deleted_at, job.touched_at = None, timezone.now()
    job.save(update_fields=["recipe", "deleted_at", "touched_at"])


def start(job: Job) -> int:
    """The rows that can run get their photos, in order; gives how many. Of two that start it, the second is refused.

    The job stays open until all of them have theirs. Raises PhotoError `csv_started`, `csv_nothing_to_run`,
    `limit_reached`.
    """
    with held(job, draft=True):
        _begin(job)
    return fill(job)


def _begin(job: Job) -> None:
    """It is no draft any more; its photos are sent. Raises PhotoError `csv_nothing_to_run`, `limit_reached`."""
    if not job.rows.filter(RUNS | CARRIED).exists():
        raise PhotoError("csv_nothing_to_run")
    photos = len({url for urls in job.rows.filter(RUNS).values_list("urls", flat=True) for url in urls})
    allowances.check(job.owner_id, photos)
    job.is_draft, job.is_open, job.touched_at = False, True, timezone.now()
    job.save(update_fields=["is_draft", "is_open", "touched_at"])
    links.make(job)
    tally.add(job.owner_id, jobs=1, photos=photos)


def fill(job: Job) -> int:
    """Photos for the rows that run and have none yet, a few rows at a time, so that no other writer waits for long;
    then the job is closed. Where that was cut short, it goes on. Gives how many photos the job has."""
    photos, rows = row_photos.Photos(job), job.rows.filter(RUNS, row_photos=None).order_by("position")
    last = -1
    while True:
        with held(job):
            some = list(rows.filter(position__gt=last).values_list("pk", "urls", "position")[: row_photos.AT_ONCE])
            photos.make((pk, urls) for pk, urls, _ in some)
            if not some:
                if job.is_open:
                    job.is_open = False
                    job.save(update_fields=["is_open"])
                    outbox.ended(outbox.hold(job.pk))
                return job.uploads.count()
            last = some[-1][2]


def read_again(job: Job, *, encoding: str, delimiter: str, columns: Mapping[str, int] | None) -> None:
    """Read the file of a draft as somebody says. All rows are made anew: what was mended or left out is lost.
    Without `columns` they are found by their names.

    Raises PhotoError `csv_started`, what `product_csv.read_as` does, `original_missing`, `storage_unavailable`.
    """
    with held(job, draft=True), storage.opened(job.product_csv.key) as file:
        reading = product_csv.read_as(file, encoding=encoding, delimiter=delimiter, columns=columns)
        job.rows.all().delete()
        _read(job.product_csv, reading)


def set_recipe(job: Job, recipe: Recipe) -> None:
    """Raises PhotoError `csv_started`, `model_not_installed`, `model_not_allowed`, `background_missing`."""
    check(job.owner_id, recipe)
    with held(job, draft=True):
        job.recipe = recipe.to_json()
        job.save(update_fields=["recipe"])


def _recipe_before(job: Job) -> Recipe:
    """That of the same person's run which completed rows of this file, where it still can be used; else DEFAULT."""
    carried = job.rows.filter(CARRIED).order_by("position").values_list("carried", flat=True).first() or {}
    before = links.behind(carried.get(spreadsheet.OUTPUT, "").partition(",")[0])
    if before is None or before.job.owner_id != job.owner_id:
        return DEFAULT
    try:
        recipe = Recipe(**before.job.recipe)
        check(job.owner_id, recipe)
    except (ValidationError, PhotoError):
        return DEFAULT
    return recipe


def _read(csv: ProductCsv, reading: Reading) -> None:
    """Write down how the file is read, and its rows."""
    csv.encoding, csv.delimiter = reading.encoding, reading.delimiter
    csv.header, csv.columns = reading.header, dict(reading.columns)
    with storage.opened(csv.key) as file:
        lines = product_csv.lines(file, reading)
        for some in row_photos.handfuls(_rows(csv.job, lines, Checker(reading, settings.FETCH_ALLOW))):
            ProductRow.objects.bulk_create(some)
    csv.skipped = lines.skipped
    csv.save()


def _rows(job: Job, lines: Iterable[Line], checker: Checker) -> Iterator[ProductRow]:
    for at, line in enumerate(lines):
        yield ProductRow(job=job, position=at, line=line.number, **checker.check(line)._asdict())
