"""manage.py doctor: what is wrong with the house, and how to mend it."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from processing import doctor, inventory, reach, show, storage
from processing.errors import PhotoError
from processing.management import base

FIRST = 20  # of each kind are named


class Command(base.Command):
    help = "Look at everything the house stands on. Exit status 1 where something is wrong, 0 with warnings alone."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--deep", action="store_true", help="also read the whole database (SQLite)")
        parser.add_argument("--files", action="store_true", help="compare files and rows instead, both ways")
        parser.add_argument(
            "--delete-unnamed", action="store_true", help="with --files: delete files that no row names"
        )
        parser.add_argument("--storage-moved", action="store_true", help="first remember that all files lie here now")
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, files: bool, deep: bool, delete_unnamed: bool, **options: Any) -> None:
        if delete_unnamed and not files:
            raise CommandError("--delete-unnamed needs --files.")
        if options["storage_moved"]:
            _remember()
        if delete_unnamed:
            _check_place()
        wrong = self._files(delete_unnamed, options["json"]) if files else self._examine(deep, options["json"])
        if wrong:
            sys.exit(1)

    def _examine(self, deep: bool, as_json: bool) -> bool:
        found = list(doctor.examine(deep=deep))
        if as_json:
            self.stdout.write(json.dumps([asdict(one) for one in found], indent=2))
        else:
            for one in found:
                self.stdout.write(f"{one.state:8} {one.what:9} {one.text} {one.remedy}".rstrip())
        return any(one.state == doctor.WRONG for one in found)

    def _files(self, delete: bool, as_json: bool) -> bool:
        """Name the first of each kind, then say how many there are."""
        missing = unnamed = size = 0
        out = self.stderr if as_json else self.stdout
        for found in inventory.compare():
            for row in found.missing[: max(0, FIRST - missing)]:
                photo = f"photo {row.upload_id}, " if row.upload_id else ""
                out.write(f"missing  {photo}{row.what}: {row.key}")
            for file in found.unnamed[: max(0, FIRST - unnamed)]:
                out.write(f"unnamed  {file.key} ({show.size(file.bytes)})")
            missing, unnamed = missing + len(found.missing), unnamed + len(found.unnamed)
            size += sum(file.bytes for file in found.unnamed)
            if delete:
                inventory.remove(found)
        if as_json:
            told = {"missing": missing, "unnamed": unnamed, "unnamed_bytes": size, "deleted": delete}
            self.stdout.write(json.dumps(told))
        else:
            self._say(missing, unnamed, size, delete)
        return missing > 0

    def _say(self, missing: int, unnamed: int, size: int, deleted: bool) -> None:
        self.stdout.write(f"{show.counted(missing, 'file')} missing that a row names.")
        more = "" if not unnamed else " Deleted." if deleted else " --delete-unnamed deletes them."
        self.stdout.write(f"{show.counted(unnamed, 'file')} that no row names, {show.size(size)}.{more}")


def _remember() -> None:
    try:
        storage.moved()
    except (PhotoError, OSError) as error:
        raise CommandError(f"The files cannot lie in {reach.storage_at()}: {error}") from None


def _check_place() -> None:
    """What no row names here may be named by those of another house."""
    try:
        reach.place()
    except reach.Away as away:
        raise CommandError(str(away)) from None
