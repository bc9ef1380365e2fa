"""What script/bench does: measures the goals one after the other, prints a table, and writes bench/latest.json and
docs/performance.md.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import figure, performance
from bench.ground import machine, say
from bench.performance import GOALS
from bench.read import QUIET
from processing import accelerator

ROOT = Path(__file__).parents[1]
ROOMS = {
    "throughput": ("P1", "P2", "P12"),
    "floor": ("P3",),
    "door": ("P4",),
    "pages": ("P5", "P6"),
    "failed": ("P6", "P7"),
    "products": ("P8",),
    "soak": ("P9",),
    "lone": ("P10",),
    "empty": ("P11",),
}
Rows = dict[str, dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=GOALS, default=GOALS, metavar="GOAL", help="keep the rest as it is"
    )
    parser.add_argument("--photos", type=Path, help="JPEG files of a folder, in place of the bundled pictures")
    parser.add_argument("--quick", action="store_true", help="a look, with little of everything; writes nothing")
    parser.add_argument("--profile", action="store_true", help="where the time of a worker goes, in place of the goals")
    asked = parser.parse_args()
    here = place()
    if here["load"] > QUIET * here["cores"]:
        say(f"Others are at work here (load {here['load']} on {here['cores']} cores): figures in seconds are too high.")
    words = [*(["--photos", str(asked.photos.resolve())] if asked.photos else []), *["--quick"][: asked.quick]]
    if asked.profile:
        sys.exit(subprocess.call([sys.executable, "-m", "bench.profile", *words], cwd=ROOT))
    found, broken = measured(set(asked.only), words)
    print("\n" + figure.lines(figure.read(json.dumps(found))))
    if not asked.quick:
        keep(found)
    if broken:
        sys.exit(f"Not measured, as an error came in between: {', '.join(broken)}.")


def measured(goals: set[str], words: list[str]) -> tuple[Rows, list[str]]:
    """The rows of these goals, and the rooms that failed."""
    found, broken = Rows(), []
    for room, of_room in ROOMS.items():
        if not goals & set(of_room):
            continue
        say(f"{room}: {', '.join(of_room)}")
        here = place()
        try:
            rows = told(room, words)
        except RuntimeError:
            broken.append(room)
            continue
        found |= {name: row | here for name, row in rows.items() if name.partition("-")[0] in goals}
    return found, broken


def told(room: str, words: list[str]) -> Rows:
    """The rows of a room. Raises RuntimeError where it fails."""
    command = [sys.executable, "-m", "bench.room", room, *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:  # Ctrl-C lets it stop its houses
        said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{room} ended with {process.returncode}.")
    return dict(json.loads(said.splitlines()[-1]))


def place() -> dict[str, Any]:
    """Where a row is measured, and how busy it is there."""
    here = machine()
    name = f"{here['processor']} {_bf16()}, {here['cores']} cores, {here['memory_gb']:.0f} GB, Python {here['python']}"
    return {"machine": name, "cores": here["cores"], "load": here["load"]}


def _bf16() -> str:
    """What the processor has for the accelerated provider; the goal P1 is for one with AMX."""
    flags = accelerator.BF16 & {*accelerator.cpuinfo("flags").split()}
    if "amx_bf16" in flags:
        return "with AMX"
    return "with AVX512-BF16 and no AMX" if flags else "without bf16"


def keep(found: Rows) -> None:
    """Goals that were not measured now stay as they were; those that were lose all rows of before."""
    goals = {name.partition("-")[0] for name in found}
    before: Rows = json.loads(performance.LATEST.read_text()) if performance.LATEST.exists() else {}
    rows = {name: row for name, row in before.items() if name.partition("-")[0] not in goals} | found
    rows = dict(sorted(rows.items(), key=lambda row: int(row[0].partition("-")[0][1:])))
    performance.LATEST.write_text(json.dumps(rows, indent=1) + "\n")
    performance.write(rows)
    say(f"{performance.LATEST.name} and {performance.PAGE.name} are written")


if __name__ == "__main__":
    main()
