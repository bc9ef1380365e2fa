"""manage.py sweep: remove what is kept no longer."""

from collections import Counter
from typing import Any

from django.core.management.base import CommandParser

from processing import retention, show
from processing.management import base

WHAT = {"jobs": "Everything", "originals": "Originals", "results": "Results"}


class Command(base.Command):
    help = "Remove what the PHOTO_KEEP_… settings say is kept no longer; the server does it by itself, too."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        if not retention.is_on():
            self.stdout.write("Everything is kept: no PHOTO_KEEP_… is set.")
            return
        jobs, size = Counter[str](), Counter[str]()
        for gone in retention.sweep(dry_run=dry_run):
            jobs[gone.what] += 1
            size[gone.what] += gone.bytes
            photos = show.counted(gone.photos, "photo")
            what = WHAT[gone.what]
            self.stdout.write(f"{what} of job {gone.job.pk} ({gone.job.owner}): {photos}, {show.size(gone.bytes)}")
        for kind, count in jobs.items():
            would = "would go" if dry_run else "are gone"
            self.stdout.write(f"{WHAT[kind]} of {show.counted(count, 'job')}, {show.size(size[kind])}: {would}.")
        if not jobs:
            self.stdout.write("Nothing would go." if dry_run else "Nothing is to go.")
        self.stdout.write(f"Kept: {show.size(retention.total())}.")
        if kept := retention.unreviewed():
            self.stdout.write(f"{show.counted(kept, 'job')} left alone: somebody has to look at photos of them.")
