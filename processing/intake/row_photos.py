"""The photos of a product CSV's rows: one for each different address of the job, linked to every row that names it."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from django.db.models import Count, Max, QuerySet

from processing import allowances, ledger, outbox, tally
from processing.intake.names import Names, plain
from processing.models import Job, ProductRow, RowPhoto, Upload
from processing.models.jobs import ACTIVE
from processing.product_rows import RUNS

T = TypeVar("T")
AT_ONCE = 500


class Photos:
    """Makes photos for rows of one job. What the job has already is read once, and again when others added to it."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.seen: object = None

    def make(self, rows: Iterable[tuple[int, list[str]]]) -> None:
        """Photos for those addresses of these rows (id, addresses) that the job has none for, in order.

        Must run in a transaction that holds the job, and the rows must have no photos yet.
        """
        if self.seen != self._standing():
            self.read()
        for some in handfuls(rows):
            made = ledger.create(self.new(url for _, urls in some for url in urls))
            self.next += len(made)
            self.known |= {upload.url: upload.pk for upload in made}
            links = [(row, self.known[url], at) for row, urls in some for at, url in enumerate(urls)]
            RowPhoto.objects.bulk_create(RowPhoto(row_id=row, upload_id=pk, position=at) for row, pk, at in links)
        self.seen = self._standing()

    def new(self, urls: Iterable[str]) -> list[Upload]:
        """Photos for those of the addresses that the job has none for, each once, to be written down."""
        new = [url for url in dict.fromkeys(urls) if url not in self.known]
        return [_photo(self.job, at, url, self.names) for at, url in enumerate(new, self.next)]

    def _standing(self) -> tuple[int, ...]:
        """Another one as soon as a photo is added."""
        found = self.job.uploads.aggregate(Count("pk"), Max("pk"))
        return tuple(found.values())

    def read(self) -> None:
        """What the job has by now."""
        self.known = dict(self.job.uploads.exclude(url="").values_list("url", "pk"))
        self.names = Names(self.job.uploads.values_list("name", flat=True))
        last = self.job.uploads.aggregate(last=Max("position"))["last"]
        self.next = 0 if last is None else last + 1


def make_anew(job: Job, rows: "QuerySet[ProductRow]") -> None:
    """The photos of rows that changed. Those that no row names any more and that never came are removed: whoever is
    fetching one finds its claim lost. Raises PhotoError `limit_reached`."""
    links = RowPhoto.objects.filter(row__in=rows)
    before = list(links.values_list("upload_id", flat=True))
    links.delete()
    runs, photos = rows.filter(RUNS).order_by("position").values_list("pk", "urls"), Photos(job)
    photos.read()
    new = len(photos.new(url for _, urls in runs for url in urls))
    allowances.check(job.owner_id, new)
    photos.make(runs)
    unwanted = Upload.objects.filter(pk__in=before, row_photos=None, source="")
    was_waited_for = unwanted.filter(status__in=ACTIVE).exists()
    unwanted.delete()
    if was_waited_for:
        outbox.ended(outbox.hold(job.pk))
    if new:
        tally.add(job.owner_id, photos=new)


def handfuls(things: Iterable[T]) -> Iterator[list[T]]:
    """A few hundred at a time, so that no file and no job has to fit into memory."""
    left = iter(things)
    while some := list(islice(left, AT_ONCE)):
        yield some


def name_in(url: str) -> str:
    """What the photo at this address is called."""
    return plain(unquote(urlsplit(url).path.rpartition("/")[2])) or "photo"


def _photo(job: Job, position: int, url: str, names: Names) -> Upload:
    sent, host = name_in(url), urlsplit(url).hostname or ""
    return Upload(job=job, position=position, name=names.give(sent), sent_name=sent, url=url, host=host)
