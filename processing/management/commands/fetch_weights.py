"""manage.py fetch_weights: put models on this machine."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from processing import catalogue, weights

DEFAULT = (catalogue.FALLBACK, catalogue.FACES.name)


class Command(BaseCommand):
    help = f"Put models on this machine (default: {' and '.join(DEFAULT)}); what is there already is only checked."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(catalogue.ALL))
        parser.add_argument("--from", dest="folder", type=Path, metavar="DIR", help="copy the files from this folder")

    def handle(self, *args: Any, names: list[str], folder: Path | None, **options: Any) -> None:
        unknown = [name for name in names if name not in catalogue.ALL]
        if unknown:
            raise CommandError(f"There is no model {unknown[0]}. There are: {', '.join(catalogue.ALL)}.")
        problems = [problem for name in names or DEFAULT if (problem := self._fetch(name, folder))]
        if problems:
            raise CommandError("\n".join(problems))

    def _fetch(self, name: str, folder: Path | None) -> str:
        wanted = catalogue.ALL[name]
        if not wanted.commercial:
            self.stdout.write(f"{name}: {wanted.licence}, not for commercial use; staff turn it on, on the page Models")
        try:
            self.stdout.write(f"{name}: {weights.fetch(wanted, folder)} → {wanted.path}")
        except (weights.WeightsError, OSError) as error:
            return f"{name}: {error}."
        return ""
