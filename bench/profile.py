"""Where the time of a busy worker goes, stage by stage, as py-spy sees it: `script/bench --profile`."""

import argparse
import subprocess
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import psutil

from bench import made, peer
from bench.table import table
from bench.throughput import DEFAULT, PLAIN
from bench.visitor import Visitor
from tests.environment import DATA

SECONDS = 20
PHOTOS = 90
RECIPES = {"rembg's own work": PLAIN, "what people get who choose nothing": DEFAULT}
STAGES = {
    "network": ("onnxruntime/",),
    "decode": ("pipeline/decode.py", "pipeline/colours.py"),
    "encode": ("pipeline/encode.py",),
    "edges": ("pipeline/refine.py", "pipeline/matting.py", "pipeline/foreground.py", "pipeline/mask.py"),
    "small sizes": ("pipeline/preview.py",),
    "the network's picture, its mask": ("pipeline/background.py", "rembg/", "pipeline/review.py"),
    "files": ("processing/storage/",),
    "ledger, database": ("processing/ledger/", "processing/reuse.py", "processing/breaker.py", "django/db/"),
    "queue": ("rq/", "redis/", "processing/worker.py"),
}
REST = "all else"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    peer.make()
    photos = dict(made.mixed(asked.photos, PHOTOS))
    with Visitor.of_a_house("profile", PHOTO_PHOTOS_PER_WORKER="100000") as visitor:
        visitor.warm(dict(made.mixed(asked.photos, len(made.MIXED))))
        for name, recipe in RECIPES.items():
            visitor.send(visitor.form(photos, recipe))
            time.sleep(1)
            found = by_stage(stacks(visitor.workers()[0], 5 if asked.quick else SECONDS))
            print(f"\n{name}:\n\n" + table(["stage", "share"], ((stage, f"{one:.0%}") for stage, one in found.items())))
            visitor.wait()


def stacks(worker: psutil.Process, seconds: int) -> list[str]:
    """As "frame;frame;… count", the innermost frame last; of the thread that makes photos, as others sleep."""
    to = DATA / "stacks"
    what = ("record", "-t", "-p", str(worker.pid), "-d", str(seconds), "-f", "raw", "-o", str(to))
    subprocess.run(
        [peer.VENV / "bin" / "py-spy", *what], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )
    return [line for line in to.read_text().splitlines() if "MainThread" in line.partition(";")[0]]


def by_stage(lines: Iterable[str]) -> dict[str, float]:
    """The share of each stage; a sample belongs to that of its innermost frame that has one."""
    counts = Counter[str]()
    for line in lines:
        frames, _, count = line.rpartition(" ")
        counts[_stage(frames.split(";"))] += int(count)
    return {stage: count / counts.total() for stage, count in counts.most_common()}


def _stage(frames: list[str]) -> str:
    for frame in reversed(frames):
        for stage, places in STAGES.items():
            if any(place in frame for place in places):
                return stage
    return REST


if __name__ == "__main__":
    main()
