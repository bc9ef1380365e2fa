"""How long is searched: a short search that is the same each time, or a new one of PHOTO_FUZZ_SECONDS for each test."""

import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

SECONDS = float(os.environ.get("PHOTO_FUZZ_SECONDS", "0"))
ROUND = 500  # examples, after which a long search looks at the clock
patient = pytest.mark.timeout(180 + SECONDS)


def rounds(few: int) -> Iterator[random.Random]:
    """Dice for each of a few rounds, or for as many as there is time for."""
    if not SECONDS:
        yield from map(random.Random, range(few))
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        yield random.Random()


def fuzzed(few: int, **drawn: Any) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """A test of a few examples, or of as many as there is time for; hypothesis tells the smallest one that fails."""

    def decorate(body: Callable[..., None]) -> Callable[[], None]:
        asked = settings(
            max_examples=ROUND if SECONDS else few, derandomize=not SECONDS, deadline=None, database=None,
            print_blob=True, suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        search = asked(given(**drawn)(body))

        def test() -> None:
            end = time.monotonic() + SECONDS
            search()
            while time.monotonic() < end:
                search()

        test.__name__, test.__doc__ = body.__name__, body.__doc__
        return patient(test)

    return decorate
