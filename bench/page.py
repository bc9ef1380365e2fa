"""Writes the figures of bench/costs.json and bench/simulation.json into docs/scaling.md: `-m bench.page`.

A table stands between `<!-- its name -->` and `<!-- end -->`.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.arrivals import KINDS, MINUTES, USERS
from bench.ends import limits
from bench.made import MIXED, SIZES
from bench.read import ROOMS, USUAL, Costs
from bench.simulate import LOADS, QUEUE, SEEDS, SIMULATION, TURNS, WORKERS
from bench.sizes import changes, sizes
from bench.table import many, prose, seconds, table

PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
BLOCK = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
STEPS = {"read": "decode", "network": "network", "refine": "edges", "write": "encode", "variants": "small sizes",
         "store": "store", "seconds": "all", "cpu": "of a core"}  # fmt: skip


BUSY = """
**The machine was at other work meanwhile.** So all figures are too slow, and all sizes that follow from them too large.
Measure again while it does nothing else.
"""


def machine(costs: Costs) -> str:
    found = costs.found["machine"]
    return (
        f"{found['processor']}, {found['cores']} cores, {found['memory_gb']:.0f} GB, Python {found['python']};"
        f" load when it began: {found['load']}.\n"
    ) + ("" if not costs.is_busy else BUSY)


def steps(costs: Costs) -> str:
    rows = [
        [model, f"{size} MP", *(f"{one[step]:.3f}" for step in STEPS)]
        for model, of_size in costs.found["steps"].items()
        for size, one in of_size.items()
    ]
    usual = costs.found["steps"][USUAL]
    small, large = usual["1.5"], usual["12"]
    return table(["model", "photo", *(f"{name}, s" for name in STEPS.values())], rows) + "\n" + prose(
        f"A photo of 12 megapixels takes {large['cpu'] / small['cpu']:.1f} times the time of a core that one of 1.5"
        " takes: the network sees both at the same size, all else grows with the pixels."
    )  # fmt: skip


def houses(costs: Costs) -> str:
    return table(
        ["workers", "photos/s", "photos/s per core", "memory of a worker", "photos/s per GB of workers"],
        (
            [workers, f"{one['rate']:.2f}", f"{one['rate'] / costs.cores:.2f}", f"{one['worker_mb']} MB",
             f"{one['rate'] / int(workers) / one['worker_mb'] * 1000:.2f}"]
            for workers, one in costs.found["houses"].items()
        ),
    ) + "\n" + prose(
        f"With a worker for each core a house does {costs.house['rate'] / costs.found['houses']['1']['rate']:.1f} times"
        " what it does with one worker, which has all cores for itself."
    )  # fmt: skip


def door(costs: Costs) -> str:
    found = costs.house["door"]
    return table(
        ["at the door, no worker at work", ""],
        [
            ["photos/s, many in one request", f"{found['together']:.1f}"],
            ["MB/s of these", f"{found['megabytes_per_second']:.1f}"],
            ["photos/s, one in each request", f"{found['alone']:.1f}"],
        ],
    )


def redis(costs: Costs) -> str:
    ways = costs.found["ways"]["postgres"]
    rows = [
        [name, *(f"{one[what]:.1f}" for what in ("commands", "messages")), many(one["redis_in"]),
         many(one["redis_out"]), f"{one['redis_ms']:.2f}"]
        for name, one in [*((room, ways[room]) for room in ROOMS), ("all", _sum(costs))]
    ]  # fmt: skip
    held = f"\nA nudge that waits holds {ways['held']['bytes']:.0f} bytes; at most three per worker wait.\n"
    return table(["room", "commands", "of these messages", "bytes in", "bytes out", "ms of Redis' core"], rows) + held


def _sum(costs: Costs) -> dict[str, float]:
    return {name: costs.all_rooms(name) for name in costs.found["ways"]["postgres"]["door"]}


def database(costs: Costs) -> str:
    ways = costs.found["ways"]
    rows = [
        [room, f"{ways['sqlite'][room]['statements']:.1f}",
         *(f"{ways['postgres'][room][what]:.1f}" for what in ("statements", "transactions", "connections"))]
        for room in ROOMS
    ]  # fmt: skip
    head = ["room", "statements, SQLite", "statements, PostgreSQL", "transactions", "connections opened"]
    found = costs.found["rows"]
    lives = [
        [
            f"photos/s from queued to completed, {count} processes",
            *(f"{found[one]['lives'][count]:.0f}" for one in found),
        ]
        for count in found["postgres"]["lives"]
    ]
    lives.append(["bytes of a photo's rows and indexes", *(many(found[one]["row_bytes"]) for one in found)])
    lives.append(["bytes written ahead (WAL)", "", many(found["postgres"]["wal"])])
    return table(head, rows) + "\n" + table(["the ledger alone", "SQLite", "PostgreSQL"], lives)


def storage(costs: Costs) -> str:
    asked = ", ".join(f"{count:g} {method}" for method, count in costs.found["ways"]["bucket"].items())
    rows = [
        [f"{size} MP", f"{one['sent_bytes'] / 1e6:.2f} MB", f"{one['made_bytes'] / 1e6:.2f} MB"]
        for size, one in costs.found["steps"][USUAL].items()
    ]
    rows.append(["mixed", f"{costs.mixed('sent_bytes') / 1e6:.2f} MB", f"{costs.mixed('made_bytes') / 1e6:.2f} MB"])
    objects = costs.found["ways"]["postgres"]["rows"]["variants"] + 1
    said = f"\nObjects per photo: {objects:g}. Requests to a bucket per photo: {asked}.\n"
    return table(["photo", "came", "made (PNG, small sizes)"], rows) + said


def turns(costs: Costs) -> str:
    rows = [
        [f"{int(waiting):,}", name, *(f"{1000 * took:.0f} ms" for took in of_workers.values())]
        for name, found in costs.found["rows"].items()
        for waiting, of_workers in found["turns"].items()
    ]
    return table(["photos waiting", "database", "1 worker", "10 workers", "100 workers"], rows)


def mix(costs: Costs) -> str:
    parts = [f"{MIXED.count(size)} of {len(MIXED)} have {size} MP" for size in SIZES]
    return f"Of the photos that a house is sent here, {', '.join(parts)}.\n"


def people(costs: Costs) -> str:
    parts = [f"{kind.people * USERS:.0f} send {name} at a time, {100 * kind.photos:.0f} % of all photos"
             for name, kind in KINDS.items()]  # fmt: skip
    return prose(
        f"Of {USERS:,} people {'; '.join(parts)}. {MINUTES} minutes, a quarter busier in the middle and a quarter"
        f" quieter at the ends; {WORKERS} workers. The photos that come are to the photo what the load says. Every"
        f" figure is the median of {len(SEEDS)} runs."
    )


def simulation(costs: Costs) -> str:
    found: dict[str, dict[str, Any]] = json.loads(SIMULATION.read_text())
    rows = [
        [name, how, *(" / ".join(map(seconds, one["waits"][kind])) for kind in KINDS), f"{one['jain']:.2f}",
         f"{100 * one['use']:.0f} %"]
        for name, both in found.items()
        for how, one in both.items()
    ]  # fmt: skip
    head = ["load", "who is next", *(f"{kind}, s" for kind in KINDS), "Jain", "use"]
    return table(head, rows) + "\n" + "".join(_half(found, kind) for kind in KINDS)


def _half(found: dict[str, dict[str, Any]], kind: str) -> str:
    parts = []
    for load in LOADS:
        fair, plain = (seconds(found[load][how]["waits"][kind][0]) for how in (TURNS, QUEUE))
        parts.append(f"{fair} s at {load} ({plain} s in one queue)")
    return prose(f"Who sends {kind} at a time: half of the photos are begun within {', '.join(parts)}.", "- ")


BLOCKS: dict[str, Callable[[Costs], str]] = {
    one.__name__: one
    for one in (
        machine,
        steps,
        houses,
        mix,
        door,
        redis,
        database,
        storage,
        turns,
        limits,
        sizes,
        changes,
        people,
        simulation,
    )
}


def filled(text: str, costs: Costs) -> str:
    return BLOCK.sub(lambda found: found[1] + "\n" + BLOCKS[found[2]](costs) + "\n" + found[3], text)


def main() -> None:
    PAGE.write_text(filled(PAGE.read_text(), Costs.read()))


if __name__ == "__main__":
    main()
