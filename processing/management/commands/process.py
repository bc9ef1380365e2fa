"""manage.py process: a folder of photos through the pipeline, without server, database or queue."""

import hashlib
import os
import re
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from processing import header
from processing.errors import PhotoError
from processing.header import Limits
from processing.intake import limits
from processing.management import recipe_flags
from processing.recipe import IMAGE, Recipe, addition

if TYPE_CHECKING:
    from processing.pipeline.run import Made

ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif"}
INTERRUPTED = 130  # what a shell calls a program that Ctrl-C ended


class Command(BaseCommand):
    help = "Make the files of photos and folders of photos, on all cores."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a photo, or a folder and all within")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the results go")
        groups = recipe_flags.add(parser, "a job's recipe.json, less its extra sizes; other flags override it")
        groups["Background"].add_argument(
            "--background-image", type=Path, metavar="FILE", help="A picture to lie behind the subject."
        )

    def handle(self, *args: Any, paths: list[Path], out: Path, **options: Any) -> None:
        ground: Path | None = options["background_image"]
        chosen = _recipe(options, ground)
        if out.exists() and not out.is_dir():
            raise CommandError(f"{out} is a file: name a folder.")
        photos = dict(named(find(paths, out), out, chosen))
        if not photos:
            raise CommandError("There are no photos.")
        out.mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        failed = self._make_all({photo: out / name for photo, name in photos.items()}, chosen, ground)
        seconds = time.perf_counter() - began
        count, word = len(photos), "photo" if len(photos) == 1 else "photos"
        self.stdout.write(
            f"{count} {word} in {seconds:.1f} s ({count / seconds:.2f} per second): "
            f"{count - failed} made, {failed} failed."
        )
        if failed:
            sys.exit(1)

    def _make_all(self, photos: dict[Path, Path], chosen: Recipe, ground: Path | None) -> int:
        """Make all, each with its results at the path beside it, and say what fails, one line each; how many did."""
        processes = min(os.cpu_count() or 1, len(photos))
        pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, ((os.cpu_count() or 1) // processes,))
        try:
            house = limits.house()
            work = {pool.submit(_make, photo, at, chosen, house, ground): photo for photo, at in photos.items()}
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


def _recipe(options: dict[str, Any], ground: Path | None) -> Recipe:
    """What the file says and the flags change. No extra sizes are made unless a flag asks for them."""
    values = recipe_flags.of_file(options) | {"variants": ()} | recipe_flags.of_flags(options)
    try:
        if ground:
            values["background"] = IMAGE + _judged(ground)
        chosen = recipe_flags.built(values)
        chosen.check_installed()
    except PhotoError as error:
        raise CommandError(error.detail) from None
    if chosen.background_image and not ground:
        raise CommandError("The background is an image: name its file with --background-image.")
    return chosen


def _judged(ground: Path) -> str:
    """The SHA-256 of a background. Raises PhotoError when it is no picture that this house takes."""
    try:
        content = ground.read_bytes()
    except OSError as error:
        raise CommandError(f"{ground} cannot be read: {error.strerror}.") from None
    limits.check(BytesIO(content), len(content))
    return hashlib.sha256(content).hexdigest()


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


def named(photos: Iterable[Path], out: Path, chosen: Recipe) -> list[tuple[Path, str]]:
    """Each photo once, with the name of its result (the ending comes later).

    No two are the same, on file systems that do not tell case apart either, and none overwrites a file that is there.
    """
    sources = list(dict.fromkeys(photo.resolve() for photo in photos))
    names = _Names((file.stem for file in out.iterdir()) if out.is_dir() else (), chosen)
    return [(photo, names.give(photo.stem)) for photo in sources]


class _Names:
    """Gives each name once, and none that a further file of another photo will have: `a-2` is the second of `a`."""

    def __init__(self, taken: Iterable[str], chosen: Recipe) -> None:
        further = [r"\d+"] if chosen.crop_face and chosen.face_policy == "all" else []
        further += chosen.extra_sizes
        self._further = re.compile(rf"(-({'|'.join(further)}))+$") if further else re.compile("$^")
        self._taken: set[str] = set()
        self._first: set[str] = set()
        for name in taken:
            self._take(name)

    def give(self, stem: str) -> str:
        name, number = stem, 1
        while self._is_taken(name.casefold()):
            number += 1
            name = f"{stem} ({number})"
        self._take(name)
        return name

    def _take(self, name: str) -> None:
        self._taken.add(name.casefold())
        self._first.add(self._further.sub("", name.casefold()))

    def _is_taken(self, name: str) -> bool:
        return name in self._taken or name in self._first or self._further.sub("", name) in self._taken


# ---- in the processes of the pool ----------------------------------------------------------------------------------
def _begin(threads: int) -> None:
    os.environ["OMP_NUM_THREADS"] = str(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it lets the photos at hand be finished


def _make(photo: Path, at: Path, chosen: Recipe, house: Limits, ground: Path | None) -> str:
    """Write the files of one photo; what went wrong, or ""."""
    from processing.pipeline.run import run  # two seconds and much memory, which the parent has no use for

    try:
        behind = ground.read_bytes() if ground else None
        for made in run(photo.read_bytes(), chosen, limits=house, ground=behind).files:
            if not made.name.startswith("source-"):  # the photo itself lies there already
                _write(at.with_name(at.name + addition(made.name)), made)
    except (PhotoError, OSError) as error:
        return str(error)
    return ""


def _write(place: Path, made: "Made") -> None:
    part = place.with_name(place.name + ".part")
    part.write_bytes(made.data)
    os.replace(part, place.with_name(f"{place.name}.{made.format}"))
