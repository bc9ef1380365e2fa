"""manage.py adopt: the photos of an older system."""

import sys
from collections import deque
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from processing import show
from processing.errors import PhotoError
from processing.intake.adopt import Adopted, adopt
from processing.management import base


class Command(base.Command):
    help = "Take a folder of finished photos as one completed job, as they are. May be done twice."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR", help="with all within; no hidden files, no links")
        parser.add_argument("--owner", required=True, metavar="NAME", help="whose photos they are")
        parser.add_argument("--name", default="", help="of the job; else that of the folder")
        parser.add_argument("--dry-run", action="store_true", help="only say what would come")

    def handle(self, *args: Any, folder: Path, owner: str, name: str, dry_run: bool, **options: Any) -> None:
        person = User.objects.filter(username=owner).first()
        if person is None:
            raise CommandError(f"There is no user {owner}.")
        if not folder.is_dir():
            raise CommandError(f"There is no folder {folder}.")
        files = tqdm(adopt(folder, person, name, dry_run=dry_run), unit="file", file=sys.stderr, disable=None)
        try:
            last = deque([Adopted()], maxlen=1)
            last.extend(files)
        except PhotoError as error:
            raise CommandError(f"{error.detail} What was taken stays; do it again to go on.") from None
        self._say(last[0], dry_run)

    def _say(self, far: Adopted, dry_run: bool) -> None:
        for path, error in far.refused:
            self.stderr.write(f"{path}: {error}")
        said = "would come" if dry_run else f"adopted as job {far.job.pk}" if far.job else "adopted"
        self.stdout.write(
            f"{show.counted(far.photos, 'photo')} ({show.size(far.bytes)}) {said}, {far.here:,} here already, "
            f"{len(far.refused):,} refused."
        )
