"""What script/bench does: measures the goals one after the other, in a data folder and a database of its own."""

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import NamedTuple

from tests.environment import DATA, ROOT, start_redis

LATEST = ROOT / "bench" / "latest.json"
TURNS = 5
FORK = get_context("fork")
MAXRSS = 1 if sys.platform == "darwin" else 1024  # bytes in its unit


class Figure(NamedTuple):
    """What was measured for a goal, which is met where the value is not more."""

    name: str
    about: str
    value: float
    goal: float
    unit: str


class Taken(NamedTuple):
    """The medians of several turns."""

    seconds: float
    megabytes: float


def take(*works: Callable[[], object], turns: int = TURNS) -> list[Taken]:
    """The works in turn, several times: how long each took, and by how much memory grew at most."""
    taken = [[_apart(work) for work in works] for _ in range(turns)]
    return [Taken(*map(statistics.median, zip(*of_one, strict=True))) for of_one in zip(*taken, strict=True)]


def _apart(work: Callable[[], object]) -> tuple[float, float]:
    """In a process of its own, whose memory nothing else has grown yet."""
    from django.db import connections

    connections.close_all()
    here, there = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_measure, args=(work, there))
    process.start()
    there.close()
    found: tuple[float, float] = here.recv()
    process.join()
    return found


def _measure(work: Callable[[], object], to: Connection) -> None:
    before, began = _peak(), time.perf_counter()
    work()
    to.send((time.perf_counter() - began, (_peak() - before) / 1e6))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS


def table(figures: list[Figure]) -> str:
    lines = ["| goal | what | value | at most | met |", "|---|---|---|---|---|"]
    for name, about, value, goal, unit in figures:
        met = "yes" if value <= goal else "NO"
        lines.append(f"| {name} | {about} | {value:.2f} {unit} | {goal:g} {unit} | {met} |")
    return "\n".join(lines)


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "photoproc.settings"
    os.environ.setdefault("LOG_LEVEL", "WARNING")  # the table is not buried in lines about requests
    import django
    from django.core.management import call_command

    django.setup()
    redis = start_redis(DATA)
    try:
        call_command("migrate", verbosity=0)
        from script import bench_products, bench_queue

        figures = [*bench_queue.p6_p7(), *bench_products.p8()]
    finally:
        redis.terminate()
        redis.wait()
    print(table(figures))
    print(f"\nLoad of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    LATEST.parent.mkdir(exist_ok=True)
    values = {one.name: {"value": one.value, "goal": one.goal, "met": one.value <= one.goal} for one in figures}
    LATEST.write_text(json.dumps(values, indent=2) + "\n")


if __name__ == "__main__":
    main()
