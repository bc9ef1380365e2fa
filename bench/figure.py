"""What was measured for a goal, beside what it is held against.

A room of this folder has `measured(asked: Asked) -> list[Figure]`. When it is called, Django is set up, the database is
new and migrated, a Redis answers, and `tests.environment.DATA` is an empty folder to work in.
"""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from bench.table import table

LIMIT = "the limit"


@dataclass(frozen=True)
class Asked:
    """`photos`: JPEG files of a folder, in place of the bundled pictures. `quick`: a look, and no figures to quote."""

    photos: Path | None = None
    quick: bool = False


@dataclass(frozen=True)
class Figure:
    """`value` and `peer` have the same unit; `goal` is for the ratio of the two.

    Where the goal is a number of its own, that number is the peer, and the ratio says how much of it is used up. A
    name is that of the goal (`P4`), or begins with it (`P4-one`).
    """

    name: str
    about: str
    value: float
    unit: str
    peer: float
    against: str = LIMIT
    goal: float = 1.0
    more_is_better: bool = False

    @property
    def ratio(self) -> float:
        return self.value / self.peer

    @property
    def headroom(self) -> float:
        """How many times as good as it is to be; 1 is just enough."""
        if self.more_is_better:
            return self.ratio / self.goal
        return self.goal / self.ratio if self.ratio > 0 else inf

    @property
    def is_met(self) -> bool:
        return self.headroom >= 1

    @property
    def asked(self) -> str:
        return f"{'≥' if self.more_is_better else '≤'} {self.goal:g}"


def lines(figures: Iterable[Figure]) -> str:
    """As a table of Markdown."""
    return table(
        ["goal", "what", "value", "held against", "ratio", "goal", "met"],
        (
            [one.name, one.about, number(one.value, one.unit), f"{number(one.peer, one.unit)} ({one.against})",
             f"{one.ratio:.2f}", one.asked, "yes" if one.is_met else "**no**"]
            for one in figures
        ),
    )  # fmt: skip


def number(value: float, unit: str) -> str:
    return f"{float(f'{value:.3g}'):,g} {unit}".rstrip()


def saved(figures: Iterable[Figure]) -> dict[str, dict[str, Any]]:
    """As bench/latest.json keeps them."""
    return {
        one.name: {
            "about": one.about, "value": one.value, "unit": one.unit, "peer": one.peer, "against": one.against,
            "ratio": round(one.ratio, 4), "goal": one.goal, "more_is_better": one.more_is_better, "met": one.is_met,
        }
        for one in figures
    }  # fmt: skip


def read(text: str) -> list[Figure]:
    """What `saved` made, from its JSON."""
    kept = ("about", "value", "unit", "peer", "against", "goal", "more_is_better")
    found: dict[str, dict[str, Any]] = json.loads(text)
    return [Figure(name, **{field: one[field] for field in kept}) for name, one in found.items()]


def median(turns: Iterable[Sequence[float]]) -> list[float]:
    """Of several turns in which the same things were measured one after the other: the median of each."""
    return [statistics.median(of_one) for of_one in zip(*turns, strict=True)]


def p95(values: Sequence[float]) -> float:
    return percentile(values, 95)


def percentile(values: Sequence[float], of_100: int) -> float:
    return sorted(values)[round(of_100 * len(values) / 100) - 1]
