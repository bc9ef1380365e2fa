import os
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from processing import catalogue, queue, scratch
from processing.management import arrival
from processing.pool import Pool


class Command(BaseCommand):
    help = "Works on photos with a pool of processes; with --io, on the light work that needs no model."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--io", action="store_true", help="fetch, unpack, deliver, tidy, make thumbnails")

    def handle(self, *args: Any, io: bool, **options: Any) -> None:
        os.environ["OMP_NUM_THREADS"] = "1"  # of numpy, which counts when it is imported: by the next line
        arrival.arrive(works=True, on_photos=not io)
        scratch.use()
        # What is slow to import is imported once, in the parent; so are the weights of most photos.
        from processing import tasks  # noqa: F401

        if io:
            return Pool(queue.IO).run()
        pool = Pool(queue.PHOTOS)
        pool.look()
        os.environ["OMP_NUM_THREADS"] = str(pool.threads)  # of all others
        from processing.pipeline import run

        if pool.threads == 1:  # a session keeps threads that a fork loses
            run.warm(catalogue.best_installed())
        return pool.run()
