"""What people were answered under load, as figures beside their goals and as a part of docs/performance.md."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.figure import Figure, lines, p95, percentile, read, saved
from bench.table import prose, table

LOAD = Path(__file__).with_name("load.json")
PAGE = "page of "  # so begin the kinds of answers that are pages
WELL = (101, 200, 303)
FLAT = 1.05
NOT_MEASURED = "This was not measured yet.\n"
Memory = Sequence[tuple[float, float]]  # moments as seconds since 1970, and MB


class Answer(NamedTuple):
    """`status` is 0 where none came, and 101 where a socket opened."""

    kind: str
    ms: float
    status: int
    moment: float  # seconds since 1970

    @property
    def is_5xx(self) -> bool:
        return self.status >= 500


def told(answers: Sequence[Answer], memory: Memory, began: float, back: float) -> dict[str, Any]:
    """As bench/load.json keeps it. Times and memory count from when all people were there, troubles before that too;
    `back` is how many seconds after a kill of web all pages were live again."""
    kinds = sorted({one.kind for one in answers})
    grown = [(at - began, mb) for at, mb in memory if at >= began]
    pages = [one.ms for one in answers if one.kind.startswith(PAGE) and one.status in WELL and one.moment >= began]
    well, fifth = sum(not one.is_5xx for one in answers), len(grown) // 5
    second, last = (statistics.mean(mb for _, mb in part) for part in (grown[fifth : 2 * fifth], grown[-fifth:]))
    return {
        "kinds": {kind: _kind([one for one in answers if one.kind == kind], began) for kind in kinds},
        "memory": [[round(at), round(mb)] for at, mb in grown[:: max(1, len(grown) // 10)]],
        "figures": saved([
            Figure("L1", "a page under this load, p95", p95(pages), "ms", 500),
            Figure("L2", "answers that are no 5xx", well, "", len(answers), "all of them", more_is_better=True),
            Figure("L3", "memory of web, the last fifth of the time", last, "MB", second, "the second fifth", FLAT),
            Figure("L4", "web is killed: until all pages are live again", back, "s", 60),
        ]),
    }  # fmt: skip


def _kind(answers: Sequence[Answer], began: float) -> dict[str, int]:
    took = [one.ms for one in answers if one.status in WELL and one.moment >= began]
    fives = sum(one.is_5xx for one in answers)
    return {
        "answers": len(answers),
        **{f"p{of_100}": round(percentile(took, of_100)) if took else 0 for of_100 in (50, 95, 99)},
        "5xx": fives,
        "other": sum(one.status not in WELL for one in answers) - fives,
    }


def section(found: dict[str, Any]) -> str:
    """As Markdown; `found` is what bench/load.json keeps."""
    rows = ([kind, *(f"{value:,}" for value in one.values())] for kind, one in found["kinds"].items())
    memory = ", ".join(f"{mb} MB at {at} s" for at, mb in found["memory"])
    about = f"{found['people']} people at once for {found['seconds']} s, then {found['pages']} live pages whose web"
    about += f" process is killed; {found['machine']}. Load when it began: {found['load']}."
    return "\n".join([
        prose(about),
        lines(read(json.dumps(found["figures"]))),
        table(["answer", "how many", "p50, ms", "p95, ms", "p99, ms", "5xx", "other trouble"], rows),
        prose(f"Memory of web: {memory}."),
    ])  # fmt: skip


def kept() -> str:
    return section(json.loads(LOAD.read_text())) if LOAD.exists() else NOT_MEASURED
