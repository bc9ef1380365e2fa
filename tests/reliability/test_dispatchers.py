"""Several dispatchers on one database and one Redis: one feeds; when it ends or hangs, another does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django_rq
import psutil
import pytest
from django.contrib.auth.models import User
from django.db import connection

from processing import queue
from processing.models import Lease, Upload
from tests import environment, make
from tests.house import wait_for

pytestmark = [pytest.mark.xdist_group("kills"), pytest.mark.timeout(180)]
WITHIN = 15  # seconds after a kill -9


def place() -> str:
    """The address of the tests' database."""
    asked = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{asked['NAME']}"
    return f"postgres://{asked['USER']}:{asked['PASSWORD']}@{asked['HOST']}:{asked['PORT']}/{asked['NAME']}"


@pytest.fixture
def three(transactional_db: None, tmp_path: Path) -> Iterator[list[psutil.Popen]]:
    """Machines with a dispatcher each, all awake."""
    queue.connection().flushdb()
    started = [_start(tmp_path / name, place()) for name in ("one", "two", "three")]
    try:
        for name in ("one", "two", "three"):
            wait_for(lambda name=name: "clock: " in (tmp_path / name / "log").read_text(), 60, 0.1)
        yield started
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
            process.wait()
        queue.connection().flushdb()


def _start(folder: Path, database: str) -> psutil.Popen:
    folder.mkdir()
    redis = f"unix://{environment.DATA}/redis.sock"
    env = {**os.environ, "PHOTO_DATA_DIR": str(folder), "DATABASE_URL": database, "REDIS_URL": redis}
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "manage.py", "dispatch"]
        return psutil.Popen(command, cwd=environment.ROOT, env=env, stdout=log, stderr=subprocess.STDOUT)


def at_work() -> Any:
    """The process id of the one that has the role."""
    row = Lease.objects.filter(name="dispatcher").first()
    return row and int(row.holder.rpartition(":")[2])


def another(than: int) -> int:
    found: int = wait_for(lambda: at_work() not in (None, than) and at_work(), WITHIN, 0.05)
    return found


def fed(upload: Upload) -> bool:
    return Upload.objects.filter(pk=upload.pk, nudged_at__isnull=False).exists()


def nudges() -> set[int]:
    """The photos that workers were told of."""
    return {job.args[0] for job in django_rq.get_queue(queue.PHOTOS).jobs}


def test_another_takes_over_from_one_that_is_killed_frozen_or_stopped(three: list[psutil.Popen], alice: User) -> None:
    by_pid = {process.pid: process for process in three}
    first = wait_for(at_work, 30, 0.05)
    photos = [make.upload(alice)]
    wait_for(lambda: fed(photos[0]), 10, 0.05)

    by_pid[first].kill()
    killed = time.monotonic()
    photos.append(make.upload(alice))
    wait_for(lambda: fed(photos[1]), WITHIN, 0.05)
    assert time.monotonic() - killed < WITHIN
    second = another(than=first)

    by_pid[second].suspend()
    third = another(than=second)
    by_pid[second].resume()
    photos.append(make.upload(alice))
    wait_for(lambda: fed(photos[2]), 10, 0.05)
    assert at_work() == third, "who thaws has lost the role, and waits"
    assert nudges() == {photo.pk for photo in photos}, "a nudge may come twice; a photo is taken once"

    by_pid[third].send_signal(signal.SIGTERM)
    stopped = time.monotonic()
    assert another(than=third) == second
    assert time.monotonic() - stopped < 5, "who stops in order lets go at once"
    assert by_pid[third].wait(10) == 0
