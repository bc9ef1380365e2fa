"""P10: how long a lone photo waits until it is begun: in an idle house, and behind another person's thousand."""

from datetime import datetime

from bench import made
from bench.figure import Asked, Figure, median
from bench.visitor import Visitor
from tests.house import wait_for

MANY, AT_ONCE = 1000, 100
ONES = 15
SIZE = made.SIZES["1.5"]
LAST = """
SELECT queued_at, started_at, finished_at FROM processing_upload
WHERE id = (SELECT max(id) FROM processing_upload) AND finished_at IS NOT NULL
"""


def measured(asked: Asked) -> list[Figure]:
    many, ones = (100, 3) if asked.quick else (MANY, ONES)
    data = made.photo(made.sources(asked.photos)[0], *SIZE)
    with Visitor.of_a_house("lone") as visitor:
        visitor.warm({f"photo-{number}.jpg": data for number in range(10)})
        lone = visitor.another("somebody-else")
        idle = [_waits(lone, data) for _ in range(ones)]
        for _ in range(many // AT_ONCE):
            visitor.send(visitor.form({f"photo-{number}.jpg": data for number in range(AT_ONCE)}, {}))
        behind = [_waits(lone, data) for _ in range(ones)]
        if not visitor.waiting():
            raise RuntimeError("The others were done before.")
    (begun, done), (late, later) = median(idle), median(behind)
    about, against = f"a lone photo behind {many:,} of another", "in an idle house"
    return [
        Figure("P10", f"{about}: begun", late, "ms", begun, against, 2),
        Figure("P10-done", f"{about}: done", later, "ms", done, against, 2),
    ]


def _waits(visitor: Visitor, data: bytes) -> tuple[float, float]:
    """Milliseconds from the queue into a worker, and until it is done."""
    visitor.send(visitor.form({"lone.jpg": data}, {}))
    queued, *others = wait_for(lambda: visitor.house.rows(LAST), 60, step=0.05)[0]
    begun, done = (1000 * (_time(at) - _time(queued)).total_seconds() for at in others)
    return begun, done


def _time(said: object) -> datetime:
    return datetime.fromisoformat(str(said))
