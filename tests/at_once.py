"""The same thing done by several at the same moment."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.db import connection

from processing.errors import PhotoError


def at_once(count: int, act: Callable[[], object]) -> list[object]:
    """What came of it for each of so many threads, each with a connection of its own: what `act` gives, or the code of
    its PhotoError. Raises whatever else it raises."""
    start = threading.Barrier(count)

    def one() -> object:
        start.wait()
        try:
            return act()
        except PhotoError as error:
            return error.code
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as threads:
        return [done.result() for done in [threads.submit(one) for _ in range(count)]]
