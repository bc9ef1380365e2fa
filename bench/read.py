"""What bench/costs.json says, reckoned on."""

import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Self

from bench.made import MIXED
from processing.turns import PER_WORKER

COSTS = Path(__file__).with_name("costs.json")
USUAL = "u2netp"
STEPS = ("read", "background", "refine", "write", "variants", "store")
QUIET = 0.5  # load per core
FULL_TURN = 100 * PER_WORKER  # nudges
ROOMS = ("door", "dispatcher", "worker", "io")


@dataclass(frozen=True)
class Costs:
    """Of one photo, unless said otherwise: seconds, bytes, or a number."""

    found: dict[str, Any]

    @classmethod
    def read(cls) -> Self:
        return cls(json.loads(COSTS.read_text()))

    @property
    def cores(self) -> int:
        return int(self.found["machine"]["cores"])

    @property
    def load(self) -> float:
        """Of the machine, before anything was measured."""
        return float(self.found["machine"]["load"])

    @property
    def is_busy(self) -> bool:
        """Whether others were at work on the machine, so that the figures are not those of photoproc alone."""
        return self.load > QUIET * self.cores

    @property
    def house(self) -> dict[str, Any]:
        """With as many workers as cores."""
        return dict(self.found["houses"][str(self.cores)])

    @property
    def per_core(self) -> float:
        """Photos per second, of a house that works on all cores, divided by them."""
        return float(self.house["rate"]) / self.cores

    @property
    def photo_seconds(self) -> list[float]:
        """For how long photos have a worker: the steps of their size, scattered as the photos of a whole house were,
        and drawn out by what it needs beside them (queue, database, web and io processes on the same cores)."""
        steps, each = self.found["steps"][USUAL], self.house["seconds"]
        of_size = {size: [took for took, of in zip(each, cycle(MIXED)) if of == size] for size in MIXED}
        alone = [
            sum(steps[size][name] for name in STEPS) * took / statistics.mean(of_size[size])
            for took, size in zip(each, cycle(MIXED))
        ]
        return [one / statistics.mean(alone) / self.per_core for one in alone]

    @property
    def worker_gb(self) -> float:
        return float(self.house["worker_mb"]) / 1000

    def mixed(self, what: str) -> float:
        """The mean of a figure of the steps over the sizes that a house is sent."""
        steps = self.found["steps"][USUAL]
        return float(sum(steps[size][what] for size in MIXED)) / len(MIXED)

    def all_rooms(self, what: str, database: str = "postgres") -> float:
        rooms = self.found["ways"][database]
        return float(sum(rooms[room][what] for room in ROOMS))

    @property
    def requests(self) -> float:
        """To a bucket."""
        return float(sum(self.found["ways"]["bucket"].values()))

    @property
    def row_bytes(self) -> float:
        return float(self.found["rows"]["postgres"]["row_bytes"])

    @property
    def wal(self) -> float:
        return float(self.found["rows"]["postgres"]["wal"])

    @property
    def lives(self) -> float:
        """Photos per second that the ledger takes on PostgreSQL, from as many processes as do most."""
        return float(max(self.found["rows"]["postgres"]["lives"].values()))

    @property
    def full_turn(self) -> float:
        """Seconds of a turn that sends a hundred workers all that they may have in hand, a thousand photos waiting."""
        return float(self.found["rows"]["postgres"]["turns"]["1000"]["100"])

    @property
    def sent(self) -> float:
        """Photos per second that the dispatcher sends."""
        return FULL_TURN / self.full_turn

    @property
    def turn_seconds(self) -> Callable[[int, int], float]:
        """Of a turn on PostgreSQL, by photos that wait and nudges that it sends: straight between what was measured."""
        found = self.found["rows"]["postgres"]["turns"]
        alone = {int(rows): float(took["1"]) for rows, took in found.items()}
        few, many = min(alone), max(alone)
        each = max(0.0, self.full_turn - alone[few]) / (FULL_TURN - PER_WORKER)
        least, rise = alone[few] - PER_WORKER * each, (alone[many] - alone[few]) / (many - few)
        return lambda rows, nudges: least + max(0, rows - few) * rise + nudges * each
