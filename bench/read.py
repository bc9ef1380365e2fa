"""What bench/costs.json says, reckoned on."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bench.made import MIXED
from processing.turns import PER_WORKER

COSTS = Path(__file__).with_name("costs.json")
USUAL = "u2netp"
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
    def service(self) -> list[float]:
        """What each photo took in a house with two workers, begun to completed."""
        return list(self.found["houses"]["2"]["seconds"])

    @property
    def per_core(self) -> float:
        """Photos per second, of a house that works on all cores, divided by them."""
        return float(self.found["houses"][str(self.cores)]["rate"]) / self.cores

    @property
    def worker_gb(self) -> float:
        return float(self.found["houses"]["2"]["worker_mb"]) / 1000

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
    def nudge(self) -> float:
        """What the dispatcher needs for one more photo in a turn."""
        turns = self.found["rows"]["postgres"]["turns"]["1000"]
        return float(turns["100"] - turns["1"]) / (PER_WORKER * 99)

    @property
    def turn_seconds(self) -> Callable[[int, int], float]:
        """Of a turn on PostgreSQL, by photos that wait and nudges that it sends: straight between what was measured."""
        found = self.found["rows"]["postgres"]["turns"]
        alone = {int(rows): float(took["1"]) for rows, took in found.items()}
        few, many, each = min(alone), max(alone), self.nudge
        least, rise = alone[few] - PER_WORKER * each, (alone[many] - alone[few]) / (many - few)
        return lambda rows, nudges: least + max(0, rows - few) * rise + nudges * each
