"""The scratch space of this machine: kept clean of what killed processes leave there, and watched for room.

What comes in lies there until storage has it, by a name that goes with its request or its claim.
"""

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event

import psutil
from django.conf import settings

from processing import show

log = logging.getLogger(__name__)

AGE = 3600  # seconds that a file is left alone, though nobody seems to have it open: a container may


def use() -> None:
    """From now on temporary files of this process lie there, and not in a /tmp that may be memory."""
    tempfile.tempdir = str(settings.TMP_DIR)
    clear()


def clear() -> None:
    """Remove what is old and no process has open, folders too. Others may do the same at this moment."""
    before = time.time() - max(AGE, settings.HARD_TIME_LIMIT)
    old = [place for place in settings.TMP_DIR.iterdir() if _touched(place) < before]
    held = set(_open()) if old else set()
    for place in old:
        if not any(file.is_relative_to(place) for file in held):
            _remove(place)


def keep_clear(ended: Event) -> None:
    """`clear` again each hour, until then."""
    while not ended.wait(AGE):
        try:
            clear()
        except OSError as error:
            log.warning("the scratch space cannot be cleared: %s", error)


def _touched(place: Path) -> float:
    """When it was last changed, or something in it."""
    try:
        return max(seen.lstat().st_mtime for seen in (place, *place.rglob("*")))
    except FileNotFoundError:
        return time.time()


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def _open() -> Iterator[Path]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            yield from (Path(file.path) for file in process.open_files())


def trouble() -> str:
    """Why no photo is to be begun here; empty where one may be. Where files lie on a disk, that one is watched."""
    free = shutil.disk_usage(settings.TMP_DIR).free
    if settings.STORAGE is None or free >= settings.FREE_SPACE_FLOOR:
        return ""
    return f"{show.size(free)} free in {settings.TMP_DIR}, less than {show.size(settings.FREE_SPACE_FLOOR)}"
