"""Rows for tests, with real files behind them."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.models import User

from processing import ledger, spreadsheet, storage, variants
from processing.hooks import signing
from processing.models import Endpoint, EventType, Job, ProductCsv, ProductRow, RowPhoto, Upload
from processing.recipe import Recipe
from tests.conftest import picture

PLAIN = Recipe(remove_bg=False, model="u2netp", format="jpg")


def job(owner: User, photos: int = 1, *, recipe: Recipe = PLAIN, name: str = "Spring", **values: Any) -> Job:
    """A job of this person with so many queued photos."""
    made = Job.objects.create(owner=owner, name=name, recipe=recipe.to_json(), **values)
    add(made, photos)
    return made


def add(to: Job, photos: int) -> list[Upload]:
    first = to.uploads.count()
    return ledger.create([_upload(to, first + number) for number in range(photos)])


def _upload(to: Job, position: int) -> Upload:
    data = picture(width=80 + position % 7)
    stored = storage.write(storage.new_key(to.owner_id, to.pk, "originals", "jpeg"), [data])
    return Upload(
        job=to, position=position, name=f"photo-{position}.jpg", sent_name=f"photo-{position}.jpg", source=stored.key,
        source_format="jpeg", source_width=80, source_height=60, source_bytes=stored.bytes,
        source_sha256=stored.sha256,
    )  # fmt: skip


def upload(owner: User, **values: Any) -> Upload:
    """One queued photo in a job of its own."""
    made = job(owner).uploads.get()
    if values:
        Upload.objects.filter(pk=made.pk).update(**values)
        made.refresh_from_db()
    return made


HEADER = ["S. No.", "Product Name", "Input Image Urls"]


def products(
    owner: User, rows: int | Sequence[Sequence[str]] = 3, *, photos: int = 1, recipe: Recipe = PLAIN,
    name: str = "spring.csv", is_draft: bool = False, **values: Any,
) -> Job:  # fmt: skip
    """A product CSV of this person: so many rows with so many photos each, or rows with these addresses.

    Where it was started, each different address is one `new` photo. Row 1 stands in line 2 and is "Product 1".
    """
    if isinstance(rows, int):
        rows = [[address(row, photo) for photo in range(1, photos + 1)] for row in range(1, rows + 1)]
    made = Job.objects.create(owner=owner, name=name, recipe=recipe.to_json(), is_draft=is_draft, **values)
    lines = [[str(number), f"Product {number}", ",".join(urls)] for number, urls in enumerate(rows, 1)]
    stored = storage.write(storage.new_key(owner.pk, made.pk, "csv", "csv"), [spreadsheet.to_csv([HEADER, *lines])])
    ProductCsv.objects.create(
        job=made,
        name=name,
        key=stored.key,
        bytes=stored.bytes,
        encoding="utf-8",
        delimiter=",",
        header=HEADER,
        columns={"serial": 0, "name": 1, "urls": 2},
    )
    ProductRow.objects.bulk_create(
        ProductRow(job=made, position=at, line=at + 2, serial=line[0], name=line[1], urls=list(urls))
        for at, (line, urls) in enumerate(zip(lines, rows, strict=True))
    )
    if not is_draft:
        start(made)
    return made


def address(row: int, photo: int = 1) -> str:
    """The address of a photo of a row, both counted from 1."""
    return f"https://img.example.com/{row}-{photo}.jpg"


def start(job: Job) -> None:
    """The photos of its rows, as Start makes them."""
    rows = list(job.rows.order_by("position"))
    urls = list(dict.fromkeys(url for row in rows for url in row.urls))
    made = ledger.create([
        Upload(job=job, position=at, name=f"photo-{at}.jpg", sent_name=url, url=url, host=urlsplit(url).hostname or "")
        for at, url in enumerate(urls)
    ])  # fmt: skip
    of = dict(zip(urls, made, strict=True))
    RowPhoto.objects.bulk_create(
        RowPhoto(row=row, upload=of[url], position=at) for row in rows for at, url in enumerate(row.urls)
    )


def bring(upload: Upload, width: int = 80) -> Upload:
    """A `new` photo is fetched: `queued`, with its original in the house."""
    claim = ledger.claim_fetch(upload.pk)
    assert claim
    stored = storage.write(
        storage.new_key(claim.owner_id, claim.job_id, "originals", "jpeg"), [picture(width=width, quality=100)]
    )
    ledger.bring(claim, stored, format="jpeg", width=width, height=60)
    upload.refresh_from_db()
    return upload


def finish(upload: Upload) -> Upload:
    """A `queued` photo is completed, with a result and a thumbnail."""
    claim = ledger.claim(upload.pk)
    assert claim
    files = []
    for name in ("result", "thumbnail"):
        key = storage.new_key(claim.owner_id, claim.job_id, "results", "jpg")
        files.append(variants.File(name, storage.write(key, [picture(quality=20)]), "jpg", 80, 60))
    ledger.finish(claim, files, {})
    upload.refresh_from_db()
    return upload


def endpoint(owner: User, url: str, *types: EventType, **values: Any) -> Endpoint:
    """A webhook of this person that hears these types, or all."""
    heard = list(types or EventType.values)
    return Endpoint.objects.create(owner=owner, url=url, types=heard, secret=signing.new_secret(), **values)
