"""P9: the memory of one worker over a thousand photos."""

import threading
from itertools import cycle, islice

from bench import made
from bench.figure import Asked, Figure
from bench.visitor import Visitor
from tests.house import wait_for

MANY, AT_ONCE = 1000, 50
SMALL = (900, 600)
LARGE_EACH = 25  # one of these photos has 12 megapixels
PLACE = {"PHOTO_WORKERS": "1", "PHOTO_PHOTOS_PER_WORKER": "100000"}  # the worker is not replaced meanwhile


def measured(asked: Asked) -> list[Figure]:
    many, at_once = (30, 10) if asked.quick else (MANY, AT_ONCE)
    source = made.sources(asked.photos)[0]
    small, large = (made.photo(source, *size) for size in (SMALL, made.SIZES["12"]))
    each = islice(cycle([large, *[small] * (LARGE_EACH - 1)]), at_once)
    drop = {f"photo-{number}.jpg": data for number, data in enumerate(each)}
    with Visitor.of_a_house("soak", **PLACE) as visitor:
        seen = [_most(visitor, drop) for _ in range(many // at_once)]
    first, last = seen[0], seen[-1]
    return [
        Figure("P9", f"memory of a worker, photos {many - at_once:,} to {many:,}", last, "MB", first,
               f"its first {at_once}", 1.05),
        Figure("P9-worker", "memory of a worker at most, u2netp, default recipe", max(seen), "MB", 700),
    ]  # fmt: skip


def _most(visitor: Visitor, drop: dict[str, bytes]) -> float:
    """MB of the worker at most, while it works on these."""
    visitor.send(visitor.form(drop, {"decontaminate": "on"}))
    worker = wait_for(visitor.workers, 300)[0]
    seen, done = list[int](), threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            seen.append(worker.memory_info().rss)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        visitor.wait()
    finally:
        done.set()
        looking.join()
    return max(seen) / 1e6
