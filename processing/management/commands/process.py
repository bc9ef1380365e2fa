"""manage.py process: a folder of photos through the pipeline, without server, database or queue."""

import os
import signal
import sys
import time
from argparse import SUPPRESS, BooleanOptionalAction
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from pydantic import ValidationError
from tqdm import tqdm

from processing import header, recipe
from processing.errors import PhotoError
from processing.header import Limits
from processing.intake import limits
from processing.recipe import Recipe

ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif"}
INTERRUPTED = 130  # what a shell calls a program that Ctrl-C ended


class Command(BaseCommand):
    help = "Make the files of photos and folders of photos, on all cores."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a photo, or a folder and all within")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the results go")
        for name in Recipe.model_fields:
            _add_flag(parser, name)

    def handle(self, *args: Any, paths: list[Path], out: Path, **options: Any) -> None:
        chosen = _recipe(options)
        if out.exists() and not out.is_dir():
            raise CommandError(f"{out} is a file: name a folder.")
        photos = dict(named(find(paths, out), out))
        if not photos:
            raise CommandError("There are no photos.")
        out.mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        failed = self._make_all(photos, out, chosen)
        seconds = time.perf_counter() - began
        count, word = len(photos), "photo" if len(photos) == 1 else "photos"
        self.stdout.write(
            f"{count} {word} in {seconds:.1f} s ({count / seconds:.2f} per second): "
            f"{count - failed} made, {failed} failed."
        )
        if failed:
            sys.exit(1)

    def _make_all(self, photos: dict[Path, str], out: Path, chosen: Recipe) -> int:
        """Make all and say what fails, one line each; how many did."""
        processes = min(os.cpu_count() or 1, len(photos))
        pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, ((os.cpu_count() or 1) // processes,))
        try:
            house = limits.house()
            work = {pool.submit(_make, photo, out / name, chosen, house): photo for photo, name in photos.items()}
            bar = tqdm(as_completed(work), total=len(work), unit="photo", file=sys.stderr, disable=None)
            return sum(self._failed(work[done], done) for done in bar)
        except KeyboardInterrupt:
            self.stderr.write("Stopped: what was finished is kept.")
            sys.exit(INTERRUPTED)
        finally:
            pool.shutdown(cancel_futures=True)

    def _failed(self, photo: Path, done: "Future[str]") -> bool:
        try:
            problem = done.result()
        except BrokenProcessPool:
            problem = str(PhotoError("worker_lost", attempts=1))
        except Exception as error:  # a mistake of ours with one photo does not end the others
            problem = f"{PhotoError('internal_error')} ({error!r})"
        if problem:
            tqdm.write(f"{photo}: {problem}", file=sys.stderr)
        return bool(problem)


def _add_flag(parser: CommandParser, name: str) -> None:
    """The flag of one field of the recipe; left out, the recipe's own default holds."""
    field, flag = Recipe.model_fields[name], "--" + name.replace("_", "-")
    about = (field.description or field.title or "").replace("%", "%%")
    if field.annotation is bool:
        parser.add_argument(flag, action=BooleanOptionalAction, default=SUPPRESS, help=about)
    else:
        parser.add_argument(flag, choices=recipe.choices(name) or None, default=SUPPRESS, help=about)


def _recipe(options: dict[str, Any]) -> Recipe:
    try:
        chosen = Recipe(**{name: options[name] for name in Recipe.model_fields if name in options})
        chosen.check_installed()
    except ValidationError as error:
        raise CommandError("\n".join(f"{field}: {sentence}" for field, sentence in recipe.problems(error))) from None
    except PhotoError as error:
        raise CommandError(error.detail) from None
    return chosen


def find(paths: Iterable[Path], out: Path) -> Iterator[Path]:
    """The files that are named, and the photos in the folders that are, but for earlier results in `out`."""
    for path in paths:
        if path.is_dir():
            yield from (file for file in sorted(path.rglob("*")) if _looks_right(file, path, out))
        elif path.is_file():
            yield path
        else:
            raise CommandError(f"There is no {path}.")


def _looks_right(file: Path, folder: Path, out: Path) -> bool:
    parts = file.relative_to(folder).parts
    if not file.is_file() or any(part.startswith(".") for part in parts):
        return False
    if out.resolve() != folder.resolve() and out.resolve() in file.resolve().parents:
        return False
    with file.open("rb") as start:
        return file.suffix.lower() in ENDINGS or header.is_photo(start.read(header.FIRST_BYTES))


def named(photos: Iterable[Path], out: Path) -> list[tuple[Path, str]]:
    """Each photo once, with the name of its result (the ending comes later).

    No two are the same, on file systems that do not tell case apart either, and none overwrites a file that is there.
    """
    sources = list(dict.fromkeys(photo.resolve() for photo in photos))
    taken = {file.stem.casefold() for file in out.iterdir()} if out.is_dir() else set()
    return [(photo, _free(photo.stem, taken)) for photo in sources]


def _free(stem: str, taken: set[str]) -> str:
    name, number = stem, 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem} ({number})"
    taken.add(name.casefold())
    return name


# ---- in the processes of the pool ----------------------------------------------------------------------------------
def _begin(threads: int) -> None:
    os.environ["OMP_NUM_THREADS"] = str(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it lets the photos at hand be finished


def _make(photo: Path, result: Path, chosen: Recipe, house: Limits) -> str:
    """Write the result of one photo; what went wrong, or ""."""
    from processing.pipeline.run import run  # two seconds and much memory, which the parent has no use for

    try:
        made = run(photo.read_bytes(), chosen, limits=house).files[0]
        part = result.with_name(result.name + ".part")
        part.write_bytes(made.data)
        os.replace(part, result.with_name(f"{result.name}.{made.format}"))
    except (PhotoError, OSError) as error:
        return str(error)
    return ""
