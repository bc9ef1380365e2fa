"""P8: a product CSV of 10,000 rows through the pre-flight, and out again with all its photos finished."""

import csv
from functools import partial
from pathlib import Path

from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.files import File

from bench.figure import Asked, Figure
from bench.taken import take
from processing.delivery import product_csv
from processing.delivery.stream import Chunks
from processing.intake import products
from processing.models import Job, Status, Variant
from tests.environment import DATA

FEW, MANY = 1000, 10_000  # rows
ADDRESSES = 3  # of each
FLAT = 10  # MB that ten times the rows may take more


def measured(_: Asked) -> list[Figure]:
    owner = User.objects.create_user("bench")
    files = [_file(rows) for rows in (FEW, MANY)]
    few, many = take(*(partial(_preflight, owner, file) for file in files))
    small, large = [_finished(owner, file) for file in files]
    few_out, many_out, detailed = take(
        partial(_export, small), partial(_export, large), partial(_export, large, details=True)
    )
    grown, grown_out = many.megabytes - few.megabytes, many_out.megabytes - few_out.megabytes
    return [
        Figure("P8", f"pre-flight of {MANY:,} rows", many.seconds, "s", 2),
        Figure("P8-export", f"export of {MANY:,} rows", many_out.seconds, "s", 2),
        Figure("P8-export-details", "with details", detailed.seconds, "s", 2),
        Figure("P8-memory", f"pre-flight: more than for {FEW:,} rows", grown, "MB", FLAT),
        Figure("P8-export-memory", f"export: more than for {FEW:,} rows", grown_out, "MB", FLAT),
    ]


def _file(rows: int) -> Path:
    path = DATA / f"products-{rows}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        to = csv.writer(file)
        to.writerow(["S. No.", "Product Name", "Input Image Urls", "Colour"])
        for row in range(rows):
            photos = (f"https://cdn{row % 14}.example.com/photos/{row}-{one}.jpg" for one in range(ADDRESSES))
            to.writerow([1000 + row, f'Кружка "Harbour" {row},\nсиняя', ",".join(photos), "синий"])
    return path


def _preflight(owner: User, path: Path) -> None:
    with path.open("rb") as file:
        job = products.accept(owner, File(file, path.name), products.DEFAULT)
    products.preflight(job)


def _finished(owner: User, path: Path) -> Job:
    with path.open("rb") as file:
        job = products.accept(owner, File(file, path.name), products.DEFAULT)
    products.start(job)
    job.uploads.update(status=Status.COMPLETED)
    results = (
        Variant(
            upload_id=upload, name="result", status=Variant.Status.COMPLETED, key=f"results/{upload}.jpg", format="jpg",
            width=1200, height=900, bytes=84_000, sha256=f"{upload:064x}",
        )
        for upload in job.uploads.values_list("pk", flat=True)
    )  # fmt: skip
    Variant.objects.bulk_create(results, batch_size=1000)
    return job


def _export(job: Job, *, details: bool = False) -> None:
    rows = async_to_sync(_ends)(product_csv.csv_of(job, details=details).chunks) - 1
    if rows != job.rows.count():
        raise RuntimeError(f"The export has {rows} rows.")


async def _ends(chunks: Chunks) -> int:
    """How many lines end."""
    return sum([chunk.count(b"\r\n") async for chunk in chunks])
