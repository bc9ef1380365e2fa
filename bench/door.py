"""P4: the door while the workers are busy: many photos in one drop, and one at a time."""

import time

import httpx

from bench import made
from bench.figure import Asked, Figure, p95
from bench.visitor import Visitor

DROP = 137
AT_ONCE = 69  # the page sends them so, in two requests
ONE_BY_ONE = 40
LEAST = 3_000_000  # bytes of a photo


def measured(asked: Asked) -> list[Figure]:
    drop, alone = (20, 5) if asked.quick else (DROP, ONE_BY_ONE)
    data = _heavy(asked)
    with Visitor.of_a_house("door") as visitor:
        visitor.warm({"photo.jpg": data})
        visitor.send(visitor.form({f"busy-{number}.jpg": data for number in range(100)}, {}))
        numbers = range(drop)
        requests = [numbers[:AT_ONCE], numbers[AT_ONCE:]]
        forms = [visitor.form({f"photo-{number}.jpg": data for number in part}, {}) for part in requests if part]
        dropped = sum(_seconds(visitor, form) for form in forms)
        ones = [visitor.form({"photo.jpg": data}, {}) for _ in range(alone)]
        each = [_seconds(visitor, form) for form in ones]
        if not visitor.waiting():
            raise RuntimeError("The workers had nothing left to do.")
    return [
        Figure("P4", f"{drop} photos of 3 MB in one drop, workers busy", dropped, "s", 5),
        Figure("P4-one", "one photo of 3 MB, workers busy, p95", 1000 * p95(each), "ms", 100),
    ]


def _heavy(asked: Asked) -> bytes:
    """A photo of 12 megapixels and no less than 3 MB."""
    photos = (made.photo(made.sources(asked.photos)[0], *made.SIZES["12"], quality) for quality in range(90, 101))
    return next(data for data in photos if len(data) >= LEAST)


def _seconds(visitor: Visitor, form: httpx.Request) -> float:
    began = time.perf_counter()
    visitor.send(form)
    return time.perf_counter() - began
