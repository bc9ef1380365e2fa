"""P11: what the queue costs per photo: the dispatcher's turn and a worker's whole way, the pipeline left out."""

import statistics
import time
from unittest import mock

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import connection

from bench import made
from bench.figure import Asked, Figure
from processing import queue, worker
from processing.dispatch import Dispatcher
from processing.intake import photos
from processing.models import Status, Upload
from processing.pipeline import run
from processing.pipeline.step import Made
from processing.recipe import Recipe

PHOTOS, TURNS = settings.PHOTOS_PER_WORKER, 7  # a worker then makes way for another
SMALL = (600, 400)
NOTHING = run.Outcome((Made("result", b"nothing", "png", 1, 1),), {})


def measured(asked: Asked) -> list[Figure]:
    connection.settings_dict |= worker.KEPT_CONNECTION  # as those of a pool
    owner = User.objects.create_user("bench")
    data = made.photo(made.sources(asked.photos)[0], *SMALL)
    turns = []
    with mock.patch.object(run, "run", return_value=NOTHING):
        for turn in range(2 if asked.quick else TURNS):
            names = range(turn * PHOTOS, (turn + 1) * PHOTOS)
            files = [ContentFile(made.marked(data, number), f"photo-{number}.jpg") for number in names]
            photos.accept(owner, files, Recipe(model="u2netp"))
            turns.append(1000 * _seconds() / PHOTOS)
    if (done := Upload.objects.filter(status=Status.COMPLETED).count()) != len(turns) * PHOTOS:
        raise RuntimeError(f"{done} photos were completed.")
    return [Figure("P11", "from queued to completed, the pipeline left out, per photo", statistics.median(turns[1:]),
                   "ms", 10)]  # fmt: skip


def _seconds() -> float:
    dispatcher = Dispatcher()
    dispatcher.workers, dispatcher.counted_at = PHOTOS, time.monotonic() + 3600  # so that one turn sends them all
    began = time.perf_counter()
    dispatcher.turn()
    worker.work(queue.PHOTOS, burst=True)
    return time.perf_counter() - began
