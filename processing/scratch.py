"""The scratch space of this machine: kept clean of what killed processes leave there, and watched for room.

What workers put there has no name and goes with them; a request that is spooled has one.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
from django.conf import settings

from processing import show

AGE = 3600  # seconds that a file is left alone, though nobody seems to have it open: a container may


def use() -> None:
    """From now on temporary files of this process lie there, and not in a /tmp that may be memory."""
    tempfile.tempdir = str(settings.TMP_DIR)
    clear()


def clear() -> None:
    """Remove what is old and no process has open."""
    before = time.time() - max(AGE, settings.HARD_TIME_LIMIT)
    old = [place for place in settings.TMP_DIR.iterdir() if place.is_file() and place.stat().st_mtime < before]
    held = set(_open()) if old else set()
    for place in old:
        if str(place) not in held:
            place.unlink(missing_ok=True)


def _open() -> Iterator[str]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            yield from (file.path for file in process.open_files())


def trouble() -> str:
    """Why no photo is to be begun here; empty where one may be. Where files lie on a disk, that one is watched."""
    free = shutil.disk_usage(settings.TMP_DIR).free
    if settings.STORAGE is None or free >= settings.FREE_SPACE_FLOOR:
        return ""
    return f"{show.size(free)} free in {settings.TMP_DIR}, less than {show.size(settings.FREE_SPACE_FLOOR)}"
