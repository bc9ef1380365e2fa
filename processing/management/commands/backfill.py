"""manage.py backfill: the small pictures that photos lack."""

import sys
from typing import Any

from django.core.management.base import CommandParser
from tqdm import tqdm

from processing import backfill, show
from processing.management import base
from processing.models import Upload


class Command(base.Command):
    help = "Have io make the thumbnails and extra sizes that photos should have and lack. May be done twice."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say how many")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        lacking = 0
        with tqdm(total=Upload.objects.count(), unit="photo", file=sys.stderr, disable=None) as bar:
            for looked, lacks in backfill.run(dry_run=dry_run):
                lacking += lacks
                bar.update(looked)
        said = "missing" if dry_run else "to be made by the io workers"
        self.stdout.write(f"{show.counted(lacking, 'picture')} {said}.")
