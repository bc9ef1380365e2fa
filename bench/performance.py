"""Writes the figures of bench/latest.json into docs/performance.md and its picture: `-m bench.performance`."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import chart, figure, heard
from bench.figure import Figure, number
from bench.page import BLOCK
from bench.read import QUIET
from bench.table import prose

ROOT = Path(__file__).parents[1]
LATEST = ROOT / "bench" / "latest.json"
PAGE = ROOT / "docs" / "performance.md"
PICTURE = PAGE.with_suffix(".svg")
GOALS = [f"P{number}" for number in range(1, 13)]
Rows = dict[str, dict[str, Any]]


def machine(rows: Rows) -> str:
    """Where they were taken, and whether others were at work there."""
    places = sorted({row["machine"] for row in rows.values()})
    load, cores = max(row["load"] for row in rows.values()), min(row["cores"] for row in rows.values())
    said = f"{'; '.join(places)}. Load when a goal's turn began: {load} at most."
    busy = " **Others were at work on the machine meanwhile**, so the figures in seconds are too high; the ratios to a"
    busy += " peer that was measured in turn stay fair."
    return prose(said + (busy if load > QUIET * cores else ""))


def figures(rows: Rows) -> str:
    return figure.lines(_read(rows))


def missed(rows: Rows) -> str:
    """Each goal that is not met or was not measured, plainly."""
    lines = [_missed(one) for one in _read(rows) if not one.is_met]
    measured = {name.partition("-")[0] for name in rows}
    lines += [f"- **{goal} was not measured.**\n" for goal in GOALS if goal not in measured]
    return "".join(lines) or "Every goal is met.\n"


def load(_: Rows) -> str:
    """What script/load kept."""
    return heard.kept()


def _missed(one: Figure) -> str:
    value, peer = number(one.value, one.unit), number(one.peer, one.unit)
    said = f"{value} beside {peer} ({one.against}), a ratio of {one.ratio:.2f}, where {one.asked} is wanted"
    return prose(f"**{one.name} is not met**: {one.about}: {said}.", "- ")


def _read(rows: Rows) -> Sequence[Figure]:
    return figure.read(json.dumps(rows))


BLOCKS: dict[str, Callable[[Rows], str]] = {one.__name__: one for one in (machine, figures, missed, load)}


def filled(text: str, rows: Rows) -> str:
    return BLOCK.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]](rows)}\n{found[3]}", text)


def write(rows: Rows) -> None:
    PAGE.write_text(filled(PAGE.read_text(), rows))
    PICTURE.write_text(chart.svg(_read(rows)))


if __name__ == "__main__":
    write(json.loads(LATEST.read_text()))
