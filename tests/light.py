"""Light work for workers of tests: it is written down in Redis."""

import time

from processing import queue

DONE = "tests:done"
NOTE = "tests.light.note"


def note(number: int) -> None:
    """Takes a moment, as a photo does, and must not be cut short."""
    time.sleep(0.02)
    queue.connection().rpush(DONE, number)


def called(*_: object) -> None:
    """What nobody is to call."""
    queue.connection().rpush(DONE, -1)


def done() -> list[int]:
    """In the order in which it was done."""
    return [int(number) for number in queue.connection().lrange(DONE, 0, -1)]
