"""Measures what a photo costs, on this very machine: prints it, and writes bench/costs.json, which docs/scaling.md and
the simulation are made from. By hand: `.venv/bin/python -m bench.costs`, on a machine that does nothing else; on two
cores it takes about five minutes.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import house
from bench.ground import ground, machine, part, say
from bench.read import COSTS, Costs
from tests import bucket, environment, postgres

ROWS = ("1000", "100000")  # photos that wait


def steps(photos: list[str]) -> Any:
    with _ground("steps") as env:
        return part(env | {"OMP_NUM_THREADS": "1"}, "steps", *photos)


def ways(pg: postgres.Postgres) -> dict[str, Any]:
    """On each database; and in a bucket, whose proxy sees the requests."""
    with _ground("way-sqlite") as env:
        found = {"sqlite": part(env, "way")}
    with _ground("way-postgres", DATABASE_URL=pg.url) as env:
        found["postgres"] = part(env, "way")
    server = bucket.start(environment.DATA)
    try:
        with bucket.proxy(server) as proxy, _ground("way-bucket", STORAGE_URL=proxy.url) as env:
            part(env, "way")
            methods = [line.partition(" ")[0] for line in proxy.seen]
    finally:
        server.stop()
    found["bucket"] = {method: methods.count(method) / 10 for method in sorted(set(methods))}
    return found


def rows(pg: postgres.Postgres, most: tuple[str, ...]) -> dict[str, Any]:
    with _ground("rows-sqlite") as env:
        found = {"sqlite": part(env, "rows", *ROWS)}
    with _ground("rows-postgres", DATABASE_URL=pg.database("photorows")) as env:
        return found | {"postgres": part(env, "rows", *ROWS, *most)}


def houses(pg: postgres.Postgres, photos: Path | None) -> dict[str, Any]:
    found = {}
    for workers in sorted({1, os.cpu_count() or 1}):
        say(f"house, workers: {workers}")
        found[str(workers)] = house.measured(pg.database(f"photohouse{workers}"), workers, photos)
    return found


@contextmanager
def _ground(name: str, **places: str) -> Iterator[dict[str, str]]:
    say(name)
    folder = environment.DATA / name
    folder.mkdir()
    with ground(folder, **places) as env:
        yield env


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="JPEG files of a folder, in place of the bundled pictures")
    parser.add_argument("--million", action="store_true", help="a million photos that wait, too; takes minutes")
    parser.add_argument("--only", nargs="*", choices=["steps", "ways", "rows", "houses"], help="keep the rest as it is")
    parser.add_argument("--busy", action="store_true", help="although others are at work; the page then says so")
    asked = parser.parse_args()
    here = machine()
    if Costs({"machine": here}).is_busy and not asked.busy:
        sys.exit(f"The machine is at work (load {here['load']} on {here['cores']} cores). Wait, or give --busy.")
    postgres.FLAGS |= {"fsync": "on", "full_page_writes": "on"}  # as people have it
    pg = postgres.start(environment.DATA)
    works: dict[str, Callable[[], Any]] = {
        "steps": lambda: steps([str(asked.photos.resolve())] if asked.photos else []),
        "ways": lambda: ways(pg),
        "rows": lambda: rows(pg, ("1000000",) if asked.million else ()),
        "houses": lambda: houses(pg, asked.photos),
    }
    found = json.loads(COSTS.read_text()) if asked.only and COSTS.exists() else {}
    try:
        before = found["machine"]["load"] if found else 0.0  # what was measured then stays
        found["machine"] = here | {"load": max(here["load"], before)}
        for name in asked.only or works:
            found[name] = works[name]()
            COSTS.write_text(json.dumps(found, indent=1) + "\n")
        say(f"{COSTS.name} is written")
    finally:
        pg.stop()


if __name__ == "__main__":
    main()
