import signal
from typing import Any

from django.core.management.base import BaseCommand

from processing.dispatch import Dispatcher
from processing.management import arrival


class Command(BaseCommand):
    help = "Feeds the workers fairly; one works at a time, a second one waits to take over."

    def handle(self, *args: Any, **options: Any) -> None:
        arrival.arrive(works=False)
        dispatcher = Dispatcher()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: dispatcher.stopping.set())
        dispatcher.run()
