"""The table of docs/reliability.md, out of what runs have left in bench/chaos.jsonl:

PHOTO_CHAOS_RECORD=bench/chaos.jsonl script/test --chaos && .venv/bin/python -m tests.chaos.table
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.table import table
from tests.chaos.found import Found
from tests.environment import ROOT

RECORD = ROOT / "bench" / "chaos.jsonl"  # a line for each time that an experiment was run
PAGE = ROOT / "docs" / "reliability.md"
BLOCK = re.compile(r"(<!-- experiments -->\n).*?(<!-- end -->)", re.DOTALL)
KINDS = ("lost", "doubled", "wrong")
COUNTED = ("photos", *KINDS)
HEAD = ("experiment", "times", *COUNTED, "files left", "seeds")
SHOWN = 6  # seeds


def keep(experiment: str, seed: int, found: Found) -> None:
    """A line of the record, where PHOTO_CHAOS_RECORD names one. Several processes may write at once."""
    counts = {"photos": found.photos, "left": found.left} | {kind: len(getattr(found, kind)) for kind in KINDS}
    if place := os.environ.get("PHOTO_CHAOS_RECORD"):
        with Path(place).open("a") as file:
            file.write(json.dumps({"experiment": experiment, "seed": seed, **counts}) + "\n")


def shown(runs: Iterable[Mapping[str, Any]]) -> str:
    """In the order in which experiments were first run."""
    of = defaultdict(list)
    for run in runs:
        of[run["experiment"]].append(run)
    return table(HEAD, (_row(experiment, some) for experiment, some in of.items()))


def _row(experiment: str, runs: list[Mapping[str, Any]]) -> list[str]:
    counts = [str(sum(run[kind] for run in runs)) for kind in COUNTED]
    seeds = [str(run["seed"]) for run in runs]
    more = f" and {len(seeds) - SHOWN} more" if len(seeds) > SHOWN else ""
    left = str(max(run["left"] for run in runs))
    return [experiment, str(len(runs)), *counts, left, ", ".join(seeds[:SHOWN]) + more]


def main() -> None:
    runs = [json.loads(line) for line in RECORD.read_text().splitlines()]
    PAGE.write_text(BLOCK.sub(lambda found: f"{found[1]}\n{shown(runs)}\n{found[2]}", PAGE.read_text()))


if __name__ == "__main__":
    main()
