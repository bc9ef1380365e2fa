"""manage.py import_products: a product CSV, started at once."""

import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import redis
from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files import File
from django.core.management.base import CommandError, CommandParser
from django.urls import reverse
from tqdm import tqdm

from processing import product_rows, progress, queue, show
from processing.delivery import product_csv
from processing.delivery.stream import Chunks
from processing.errors import PhotoError
from processing.intake import products
from processing.management import base, recipe_flags
from processing.models import Job
from processing.recipe import Recipe

EVERY = 0.5  # seconds between two looks
INTERRUPTED = 130  # what a shell calls a program that Ctrl-C ended


class Command(base.Command):
    help = "Take a product CSV and start it; rows that cannot run are told, the others run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="the CSV")
        parser.add_argument("--user", metavar="NAME", help="whose job it is; else the first superuser's")
        parser.add_argument("--wait", action="store_true", help="until all rows have ended")
        parser.add_argument("--out", type=Path, metavar="FILE", help="where the CSV goes that comes back; needs --wait")
        parser.add_argument("--details", action="store_true", help="with each row's status, to send again later")
        recipe_flags.add(parser, "a job's recipe.json; other flags override it")

    def handle(self, *args: Any, file: Path, wait: bool, out: Path | None, **options: Any) -> None:
        if out and not wait:
            raise CommandError("--out needs --wait.")
        chosen = recipe_flags.of_file(options) | recipe_flags.of_flags(options)
        recipe = recipe_flags.built(products.DEFAULT.to_json() | chosen) if chosen else None
        job = self._accept(_person(options["user"]), file, recipe)
        self._start(job)
        self.stdout.write(f"{settings.URL}{reverse('product', args=[job.pk])}")
        if not wait:
            return
        counts = self._wait(job)
        if out:
            async_to_sync(_write)(product_csv.csv_of(job, details=options["details"]).chunks, out)
        completed, failed = counts["completed"], counts["failed"] + counts["cancelled"]
        self.stdout.write(f"completed {completed}, failed {failed}")
        if failed:
            sys.exit(1)

    def _accept(self, person: User, file: Path, recipe: Recipe | None) -> Job:
        try:
            with file.open("rb") as content:
                return products.accept(person, File(content, file.name), recipe)
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
        except PhotoError as error:
            raise CommandError(error.detail) from None

    def _start(self, job: Job) -> None:
        """Say which rows cannot run, then let the others."""
        bad = job.rows.filter(product_rows.HAS_PROBLEM).order_by("position")
        csv = job.product_csv
        for row in bad:
            column = f", {csv.header[csv.columns[row.problem_column]]}" if row.problem_column else ""
            self.stderr.write(f"line {row.line}{column}: {row.problem}")
        try:
            photos = products.start(job)
        except PhotoError as error:
            self.stderr.write(error.detail)
            return
        rows = show.counted(job.rows.count(), "row")
        self.stdout.write(f"Job {job.pk}: {rows}, {show.counted(photos, 'photo')} to fetch.")
        if photos and not _has_workers():
            self.stderr.write("No worker listens: it begins once script/server runs.")

    def _wait(self, job: Job) -> dict[str, int]:
        """The rows by state, once all have ended."""
        with tqdm(total=job.rows.count(), unit="row", file=sys.stderr, disable=None) as bar:
            try:
                while True:
                    counts = product_rows.counts(job)
                    bar.update(sum(counts[state] for state in progress.ENDED) - bar.n)
                    if not counts["queued"] + counts["processing"]:
                        return counts
                    time.sleep(EVERY)
            except KeyboardInterrupt:
                self.stderr.write("Stopped waiting: the job goes on.")
                sys.exit(INTERRUPTED)


def _person(name: str | None) -> User:
    """Whose job it is: the one of that name, else the first superuser, else the only user."""
    people = User.objects.filter(is_active=True)
    if name is not None:
        found = people.filter(username=name).first()
    else:
        found = people.filter(is_superuser=True).order_by("pk").first()
        found = found or (people.get() if people.count() == 1 else None)
    if found is None:
        raise CommandError(f"There is no user {name}." if name else "Whose job is it? Name a user with --user.")
    return found


async def _write(chunks: Chunks, out: Path) -> None:
    """Raises CommandError where nothing can be written there."""
    try:
        with closing(chunks), out.open("wb") as file:
            async for chunk in chunks:
                file.write(chunk)
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error.strerror}.") from None


def _has_workers() -> bool:
    try:
        return queue.workers(queue.IO) > 0
    except redis.RedisError:
        return False
